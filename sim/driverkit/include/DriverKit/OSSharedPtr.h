// DriverKit/OSSharedPtr.h - a smart pointer to an OSObject. All-zero memory is a valid empty pointer: dexts put it into
// memory from IONewZero.
#pragma once

#include <stddef.h>

#include <type_traits>
#include <utility>

#include <DriverKit/OSMetaClass.h>

struct OSNoRetainTag {};
struct OSRetainTag {};
inline constexpr OSNoRetainTag OSNoRetain{};
inline constexpr OSRetainTag OSRetain{};

template <class T>
class OSSharedPtr {
 public:
  using element_type = T;

  constexpr OSSharedPtr() = default;
  constexpr OSSharedPtr(std::nullptr_t) {}
  OSSharedPtr(T* object, OSNoRetainTag) : object_(object) {}
  OSSharedPtr(T* object, OSRetainTag) : object_(object) { retain(); }
  OSSharedPtr(const OSSharedPtr& other) : object_(other.object_) { retain(); }
  OSSharedPtr(OSSharedPtr&& other) noexcept : object_(other.detach()) {}
  template <class U, class = std::enable_if_t<std::is_convertible_v<U*, T*>>>
  OSSharedPtr(const OSSharedPtr<U>& other) : object_(other.get()) { retain(); }
  template <class U, class = std::enable_if_t<std::is_convertible_v<U*, T*>>>
  OSSharedPtr(OSSharedPtr<U>&& other) noexcept : object_(other.detach()) {}
  ~OSSharedPtr() { if (object_ != nullptr) object_->release(); }

  OSSharedPtr& operator=(OSSharedPtr other) noexcept {
    swap(other);
    return *this;
  }
  OSSharedPtr& operator=(std::nullptr_t) {
    reset();
    return *this;
  }

  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }

  void reset() { OSSharedPtr().swap(*this); }
  void reset(T* object, OSNoRetainTag tag) { OSSharedPtr(object, tag).swap(*this); }
  void reset(T* object, OSRetainTag tag) { OSSharedPtr(object, tag).swap(*this); }
  /// Gives the reference to the caller.
  T* detach() { return std::exchange(object_, nullptr); }
  void swap(OSSharedPtr& other) noexcept { std::swap(object_, other.object_); }
  /// For calls that return an object through a pointer, with a reference for the caller.
  T** attach() {
    reset();
    return &object_;
  }

 private:
  void retain() { if (object_ != nullptr) object_->retain(); }
  T* object_ = nullptr;
};

template <class T> OSSharedPtr(T*, OSNoRetainTag) -> OSSharedPtr<T>;
template <class T> OSSharedPtr(T*, OSRetainTag) -> OSSharedPtr<T>;

template <class T, class U>
bool operator==(const OSSharedPtr<T>& a, const OSSharedPtr<U>& b) { return a.get() == b.get(); }
template <class T>
bool operator==(const OSSharedPtr<T>& a, std::nullptr_t) { return a.get() == nullptr; }
template <class T>
bool operator==(const OSSharedPtr<T>& a, const T* b) { return a.get() == b; }

template <class T>
OSSharedPtr<T> OSMakeShared() { return OSSharedPtr<T>(static_cast<T*>(T::sGetMetaClass()->alloc()), OSNoRetain); }
template <class To, class From>
OSSharedPtr<To> OSDynamicPtrCast(const OSSharedPtr<From>& from) {
  return OSSharedPtr<To>(OSDynamicCast(To, from.get()), OSRetain);
}

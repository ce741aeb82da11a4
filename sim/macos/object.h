// sim/macos/object.h - reference counting for the simulated kernel's objects (single-threaded by design).
#pragma once

#include <cstdint>
#include <utility>

namespace dartboard::macos {

/// Base of kernel objects. Starts with one reference, owned by the creator (adopt it with Ref::adopt).
class KernelObject {
 public:
  KernelObject() = default;
  KernelObject(const KernelObject&) = delete;
  KernelObject& operator=(const KernelObject&) = delete;
  void retain() const { ++references_; }
  void release() const { if (--references_ == 0) const_cast<KernelObject*>(this)->destroy(); }
  uint32_t references() const { return references_; }

 protected:
  virtual ~KernelObject() = default;
  /// Called when the last reference goes. The default deletes.
  virtual void destroy() { delete this; }

 private:
  mutable uint32_t references_ = 1;
};

/// Owning pointer to a kernel object.
template <class T>
class Ref {
 public:
  Ref() = default;
  Ref(std::nullptr_t) {}
  explicit Ref(T* object) : object_(object) { if (object_ != nullptr) object_->retain(); }
  static Ref adopt(T* object) { Ref r; r.object_ = object; return r; }
  Ref(const Ref& other) : Ref(other.object_) {}
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <class U> Ref(const Ref<U>& other) : Ref(static_cast<T*>(other.get())) {}
  Ref& operator=(Ref other) noexcept { std::swap(object_, other.object_); return *this; }
  ~Ref() { if (object_ != nullptr) object_->release(); }
  T* get() const { return object_; }
  T* operator->() const { return object_; }
  T& operator*() const { return *object_; }
  explicit operator bool() const { return object_ != nullptr; }
  T* detach() { return std::exchange(object_, nullptr); }
  void reset() { *this = Ref(); }
  friend bool operator==(const Ref& a, const Ref& b) { return a.object_ == b.object_; }

 private:
  T* object_ = nullptr;
};

template <class T, class... Args>
Ref<T> make_object(Args&&... args) { return Ref<T>::adopt(new T(std::forward<Args>(args)...)); }

}  // namespace dartboard::macos

// backend/dma/spin_lock.h - a lock for a few instructions, held by callers that may not sleep.
//
// One atomic exchange to take it, one store to give it back: a mutex costs twice that, and the pool's whole map is not
// much more. It goes to the scheduler after some turns, because a holder may have been preempted.
#pragma once

#include <atomic>
#include <thread>

namespace dartboard::backend::dma {

class SpinLock {
 public:
  void lock() {
    while (held_.exchange(true, std::memory_order_acquire)) wait();
  }
  void unlock() { held_.store(false, std::memory_order_release); }

 private:
  static constexpr int kTurnsMax = 64;  // about a microsecond: longer than any holder that runs

  void wait() const {
    for (int turn = 0; held_.load(std::memory_order_relaxed); ++turn) {
      if (turn < kTurnsMax) {
#if defined(__x86_64__)
        __builtin_ia32_pause();
#elif defined(__aarch64__)
        asm volatile("yield");
#endif
      } else {
        std::this_thread::yield();
      }
    }
  }

  std::atomic<bool> held_{false};
};

}  // namespace dartboard::backend::dma

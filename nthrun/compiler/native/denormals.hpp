// Denormal numbers are zero in this thread while a Flushing lives.
#if defined(__SSE2__)
#include <xmmintrin.h>
#endif

struct Flushing {
#if defined(__SSE2__)
  unsigned before = _mm_getcsr();
  // Flush-to-zero of results is bit 15, denormals-are-zero of inputs bit 6.
  explicit Flushing(bool on) { if (on) _mm_setcsr(before | 0x8040u); }
  ~Flushing() { _mm_setcsr((_mm_getcsr() & ~0x8040u) | (before & 0x8040u)); }
#elif defined(__aarch64__)
  uint64_t before;
  explicit Flushing(bool on) {
    asm volatile("mrs %0, fpcr" : "=r"(before));
    if (on) asm volatile("msr fpcr, %0" : : "r"(before | (uint64_t{1} << 24)));
  }
  ~Flushing() { asm volatile("msr fpcr, %0" : : "r"(before)); }
#else
  explicit Flushing(bool) {}
  ~Flushing() {}
#endif
};

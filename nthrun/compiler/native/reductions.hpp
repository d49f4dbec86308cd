// Reductions: many numbers to one, always in the same order.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

template <class T> struct Sum {
  T total = 0;
  void take(T x) { total += x; }
  T result() const { return total; }
};

template <class T> struct Prod {
  T total = 1;
  void take(T x) { total *= x; }
  T result() const { return total; }
};

// The extreme so far and where it is; a NaN is more extreme than any number and stays.
template <class T, bool largest> struct Extreme {
  T best{};
  int64_t place = -1;
  int64_t count = 0;
  void take(T x) {
    const bool beyond = largest ? x > best : x < best;
    if (place < 0 || (best == best && (beyond || x != x))) {
      best = x;
      place = count;
    }
    ++count;
  }
};
template <class T> struct Amax : Extreme<T, true> {
  T result() const { return this->best; }
};
template <class T> struct Amin : Extreme<T, false> {
  T result() const { return this->best; }
};
template <class T> struct Argmax : Extreme<T, true> {
  int64_t result() const { return this->place; }
};
template <class T> struct Argmin : Extreme<T, false> {
  int64_t result() const { return this->place; }
};

// The sum of neighbours in memory, in as many partial sums as a vector holds.
template <int count> static inline float sum(const float* source) {
  constexpr int width = 16;
  float partial[width] = {};
  int i = 0;
  for (; i + width <= count; i += width)
    for (int j = 0; j < width; ++j) partial[j] += source[i + j];
  for (int j = 0; i + j < count; ++j) partial[j] += source[i + j];
  for (int step = width / 2; step > 0; step /= 2)
    for (int j = 0; j < step; ++j) partial[j] += partial[j + step];
  return partial[0];
}

template <int count, int step, int out_step, class T>
static inline void scan_sum(const T* source, T* out) {
  T total = 0;
  for (int i = 0; i < count; ++i) out[i * out_step] = total += source[i * step];
}

template <int count, int step, int out_step, class T>
static inline void scan_prod(const T* source, T* out) {
  T total = 1;
  for (int i = 0; i < count; ++i) out[i * out_step] = total *= source[i * step];
}

template <int count, int step, int out_step, class T, class Less>
static inline void sort_positions(const T* source, int64_t* out, Less less) {
  std::vector<int64_t> positions(count);
  for (int i = 0; i < count; ++i) positions[i] = i;
  std::stable_sort(positions.begin(), positions.end(), [&](int64_t a, int64_t b) {
    return less(source[a * step], source[b * step]);
  });
  for (int i = 0; i < count; ++i) out[i * out_step] = positions[i];
}

// As in torch, NaN counts as larger than any number.
template <int count, int step, int out_step, class T>
static inline void sort_up(const T* source, int64_t* out) {
  sort_positions<count, step, out_step>(
      source, out, [](T a, T b) { return a < b || (b != b && a == a); });
}

template <int count, int step, int out_step, class T>
static inline void sort_down(const T* source, int64_t* out) {
  sort_positions<count, step, out_step>(
      source, out, [](T a, T b) { return a > b || (a != a && b == b); });
}

// Matrix products of sizes known at compile time, out = left right.
//
// A tile of the result is kept in registers while it is summed over the depth, always in the same
// order. That needs neighbours along the result's rows to be neighbours in `right`; where they are
// not, the cheaper of two ways makes them so: lay `right` out anew, or compute the transpose.
#pragma once
#include <cstdint>

#if defined(__AVX512F__)
constexpr int VECTOR = 16, TILE_ROWS = 8, TILE_VECTORS = 2;
#elif defined(__AVX__)
constexpr int VECTOR = 8, TILE_ROWS = 6, TILE_VECTORS = 2;
#else
constexpr int VECTOR = 4, TILE_ROWS = 6, TILE_VECTORS = 2;
#endif

template <class T> struct Vector {
  static constexpr int length = VECTOR * sizeof(float) / sizeof(T);
  typedef T type __attribute__((vector_size(VECTOR * sizeof(float)), aligned(sizeof(T)), may_alias));
};

template <class T, int rows, int vectors, int depth, int lm, int lk, int rk, int om>
static inline void tile(const T* left, const T* right, T* out) {
  using V = typename Vector<T>::type;
  constexpr int length = Vector<T>::length;
  V sums[rows][vectors] = {};
  for (int k = 0; k < depth; ++k) {
    V row[vectors];
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v)
      row[v] = *reinterpret_cast<const V*>(right + k * rk + v * length);
#pragma GCC unroll 16
    for (int i = 0; i < rows; ++i) {
      const T factor = left[i * lm + k * lk];
#pragma GCC unroll 8
      for (int v = 0; v < vectors; ++v) sums[i][v] += factor * row[v];
    }
  }
#pragma GCC unroll 16
  for (int i = 0; i < rows; ++i)
#pragma GCC unroll 8
    for (int v = 0; v < vectors; ++v)
      *reinterpret_cast<V*>(out + i * om + v * length) = sums[i][v];
}

template <class T, int rows, int columns, int depth, int lm, int lk, int rk, int om>
static inline void panel(const T* left, const T* right, T* out) {
  constexpr int vectors = columns / Vector<T>::length;
  constexpr int whole = rows / TILE_ROWS * TILE_ROWS;
  for (int i = 0; i < whole; i += TILE_ROWS)
    tile<T, TILE_ROWS, vectors, depth, lm, lk, rk, om>(left + i * lm, right, out + i * om);
  if constexpr (rows > whole)
    tile<T, rows - whole, vectors, depth, lm, lk, rk, om>(
        left + whole * lm, right, out + whole * om);
}

// Columns a multiple of the vector length, and neighbours in `right` and `out`.
template <class T, int rows, int columns, int depth, int lm, int lk, int rk, int om>
static inline void wide_product(const T* left, const T* right, T* out) {
  constexpr int step = Vector<T>::length * TILE_VECTORS;
  constexpr int whole = columns / step * step;
  for (int j = 0; j < whole; j += step)
    panel<T, rows, step, depth, lm, lk, rk, om>(left, right + j, out + j);
  if constexpr (columns > whole)
    panel<T, rows, columns - whole, depth, lm, lk, rk, om>(left, right + whole, out + whole);
}

#if defined(__clang__) || __GNUC__ >= 12
#define HAS_SHUFFLE 1
// The lower and the upper halves of two vectors woven together: a0 b0 a1 b1 ...
template <int length> struct Weave;
#define WEAVE(length, lower, upper)                                                         \
  template <> struct Weave<length> {                                                        \
    template <class V> static V low(V a, V b) { return __builtin_shufflevector(a, b, lower); } \
    template <class V> static V high(V a, V b) { return __builtin_shufflevector(a, b, upper); } \
  };
#define LIST(...) __VA_ARGS__
WEAVE(4, LIST(0, 4, 1, 5), LIST(2, 6, 3, 7))
WEAVE(8, LIST(0, 8, 1, 9, 2, 10, 3, 11), LIST(4, 12, 5, 13, 6, 14, 7, 15))
WEAVE(16, LIST(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
      LIST(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31))

// A square of floats as wide as a vector: out[j * os + i] = source[i * sm + j]. Weaving row i with
// row i + length / 2 moves one bit of the row number into the column number; after as many rounds
// as it has bits, they have changed places.
template <int sm, int os> static inline void transpose_square(const float* source, float* out) {
  using V = typename Vector<float>::type;
  constexpr int length = VECTOR, half = VECTOR / 2;
  V rows[length], woven[length];
#pragma GCC unroll 16
  for (int i = 0; i < length; ++i) rows[i] = *reinterpret_cast<const V*>(source + i * sm);
#pragma GCC unroll 4
  for (int bits = 1; bits < length; bits *= 2) {
#pragma GCC unroll 8
    for (int i = 0; i < half; ++i) {
      woven[2 * i] = Weave<length>::low(rows[i], rows[i + half]);
      woven[2 * i + 1] = Weave<length>::high(rows[i], rows[i + half]);
    }
#pragma GCC unroll 16
    for (int i = 0; i < length; ++i) rows[i] = woven[i];
  }
#pragma GCC unroll 16
  for (int j = 0; j < length; ++j) *reinterpret_cast<V*>(out + j * os) = rows[j];
}
#else
#define HAS_SHUFFLE 0
template <int sm, int os> static inline void transpose_square(const float*, float*) {}
#endif

// out[j * os + i] = source[i * sm + j * sn], filled up with zeros to `os` columns.
template <class T, int rows, int columns, int sm, int sn, int os>
static inline void transpose(const T* source, T* out) {
  if constexpr (HAS_SHUFFLE && sizeof(T) == sizeof(float) && sn == 1 && rows == os &&
                rows % VECTOR == 0 && columns % VECTOR == 0) {
    for (int i = 0; i < rows; i += VECTOR)
      for (int j = 0; j < columns; j += VECTOR)
        transpose_square<sm, os>(source + i * sm + j, out + j * os + i);
  } else {
    for (int j = 0; j < columns; ++j) {
#pragma GCC ivdep
      for (int i = 0; i < rows; ++i) out[j * os + i] = source[i * sm + j * sn];
      for (int i = rows; i < os; ++i) out[j * os + i] = 0;
    }
  }
}

constexpr int rounded_up(int size, int multiple) { return (size + multiple - 1) / multiple * multiple; }

// m rows, n columns, depth k; strides of left (lm, lk), right (rk, rn) and out (om, on).
template <class T, int m, int n, int k, int lm, int lk, int rk, int rn, int om, int on>
static inline void product(const T* left, const T* right, T* out, char* scratch) {
  constexpr int length = Vector<T>::length;
  constexpr int wide = rounded_up(n, length), tall = rounded_up(m, length);
  constexpr bool right_fits = rn == 1 && n % length == 0;
  constexpr bool left_fits = lm == 1 && m % length == 0;
  constexpr bool out_fits = on == 1 && n % length == 0;
  constexpr int straight = (right_fits ? 0 : k * wide) + (out_fits ? 0 : m * wide) + m * k * (wide - n) / 8;
  constexpr int turned = (left_fits ? 0 : k * tall) + n * tall + n * k * (tall - m) / 8;
  T* laid = reinterpret_cast<T*>(scratch);
  if constexpr (straight <= turned) {
    T* result = laid + (right_fits ? 0 : k * wide);
    if constexpr (!right_fits) transpose<T, n, k, rn, rk, wide>(right, laid);
    const T* ready = right_fits ? right : laid;
    constexpr int step = right_fits ? rk : wide;
    if constexpr (out_fits) {
      wide_product<T, m, n, k, lm, lk, step, om>(left, ready, out);
    } else {
      wide_product<T, m, wide, k, lm, lk, step, wide>(left, ready, result);
      for (int i = 0; i < m; ++i)
        for (int j = 0; j < n; ++j) out[i * om + j * on] = result[i * wide + j];
    }
  } else {
    T* result = laid + (left_fits ? 0 : k * tall);
    if constexpr (!left_fits) transpose<T, m, k, lm, lk, tall>(left, laid);
    const T* ready = left_fits ? left : laid;
    constexpr int step = left_fits ? lk : tall;
    wide_product<T, n, tall, k, rn, rk, step, tall>(right, ready, result);
    for (int i = 0; i < m; ++i)
      for (int j = 0; j < n; ++j) out[i * om + j * on] = result[j * tall + i];
  }
}

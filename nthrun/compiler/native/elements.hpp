// Elementwise functions, written without branches so that loops over them become vector code.
// NaN goes in and comes out, as in torch.
#pragma once
#include <cmath>
#include <cstdint>
#include <cstring>
#include <type_traits>

// What went wrong since `run` began; the numbers are those of `kernel.FAULTS`.
enum Fault { NONE, INDEX_OUT_OF_RANGE, DIVISION_BY_ZERO };
static Fault fault = NONE;
static inline int fail(Fault found) {
  fault = found;
  return 0;
}

static inline float from_bits(int32_t bits) {
  float value;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

static inline int32_t to_bits(float value) {
  int32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  return bits;
}

template <class T> static inline T larger(T a, T b) { return a != a || a > b ? a : b; }
template <class T> static inline T smaller(T a, T b) { return a != a || a < b ? a : b; }
template <class T> static inline T absolute(T a) { return a < 0 ? -a : a; }
static inline float absolute(float a) { return std::fabs(a); }
static inline double absolute(double a) { return std::fabs(a); }
template <class T> static inline T sign_of(T a) { return T((a > 0) - (a < 0)); }  // of NaN, 0

template <class T> static inline T power(T a, T b) {
  if constexpr (std::is_floating_point_v<T>) {
    return std::pow(a, b);
  } else {
    T result = 1;
    for (; b > 0; b /= 2, a *= a)
      if (b % 2) result *= a;
    return result;
  }
}

template <class T> static inline T rest_of(T a, T b) {  // has the sign of a
  if constexpr (std::is_floating_point_v<T>) return std::fmod(a, b);
  else return b == 0 ? fail(DIVISION_BY_ZERO) : a % b;
}
template <class T> static inline T remainder_of(T a, T b) {  // of floor division
  const T rest = rest_of(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}
template <class T> static inline T whole_quotient(T a, T b) {  // rounded towards 0
  if constexpr (std::is_floating_point_v<T>) return std::trunc(a / b);
  else return b == 0 ? fail(DIVISION_BY_ZERO) : a / b;
}
template <class T> static inline T floor_quotient(T a, T b) {  // (a - remainder) / b, a whole number
  if constexpr (std::is_floating_point_v<T>) {
    const T quotient = std::nearbyint((a - remainder_of(a, b)) / b);
    return b == 0 ? a / b : (quotient == 0 ? std::copysign(quotient, a / b) : quotient);
  } else {
    const T rest = rest_of(a, b);
    return whole_quotient(a, b) - (rest != 0 && (rest < 0) != (b < 0));
  }
}

static inline double exponential(double x) { return std::exp(x); }
static inline double logarithm(double x) { return std::log(x); }
static inline double logarithm_of_one_plus(double x) { return std::log1p(x); }
static inline double hyperbolic_tangent(double x) { return std::tanh(x); }

// e^x = 2^n e^r with |r| <= log(2)/2; the polynomial is e^r's Taylor series to r^7.
static inline float exponential(float x) {
  const float bounded = x > 89.0f ? 89.0f : (x < -104.0f ? -104.0f : x);
  const float rounder = 12582912.0f;  // 1.5 * 2^23: adding it leaves an integer in the low bits
  const float whole = (bounded * 1.44269504088896341f + rounder) - rounder;
  const float rest = (bounded - whole * 0.693145751953125f) - whole * 1.42860682030941723e-6f;
  float sum = 1.98412698e-4f;
  sum = sum * rest + 1.38888889e-3f;
  sum = sum * rest + 8.33333333e-3f;
  sum = sum * rest + 4.16666667e-2f;
  sum = sum * rest + 1.66666667e-1f;
  sum = sum * rest + 0.5f;
  sum = sum * rest * rest + rest + 1.0f;
  const int32_t power = static_cast<int32_t>(bounded == bounded ? whole : 0.0f);
  const int32_t half = power >> 1;  // in two steps, so that results may be subnormal or infinite
  const float scaled = sum * from_bits((half + 127) << 23) * from_bits((power - half + 127) << 23);
  return x == x ? scaled : x;
}

// log x = n log 2 + log m with m in [√½, √2), by log m = 2 artanh(s), s = (m-1)/(m+1).
static inline float logarithm(float x) {
  const bool tiny = x < 1.17549435e-38f;
  const float scaled = tiny ? x * 8388608.0f : x;
  const int32_t bits = to_bits(scaled);
  const int32_t shift = (bits - 0x3f3504f3) >> 23;
  const float mantissa = from_bits(bits - (shift << 23));
  const float power = static_cast<float>(shift) - (tiny ? 23.0f : 0.0f);
  const float excess = mantissa - 1.0f;
  const float ratio = excess / (2.0f + excess);
  const float square = ratio * ratio;
  float sum = 0.24279079f;
  sum = sum * square + 0.28498787f;
  sum = sum * square + 0.40000972f;
  sum = sum * square + 0.66666664f;
  const float half_square = 0.5f * excess * excess;
  const float inner = ratio * (half_square + sum * square) + power * 9.05800061e-6f;
  const float finite = power * 0.69313812256f - ((half_square - inner) - excess);
  const float defined = x > 0.0f ? (x > 3.4028235e38f ? x : finite) : (x == 0.0f ? -INFINITY : NAN);
  return x == x ? defined : x;
}

// log(1 + x) = log(u) + (x - (u - 1)) / u with u = 1 + x rounded.
static inline float logarithm_of_one_plus(float x) {
  const float rounded = 1.0f + x;
  const float lost = x - (rounded - 1.0f);
  const float corrected = logarithm(rounded) + lost / rounded;
  return rounded > 0.0f && rounded <= 3.4028235e38f ? corrected : logarithm(rounded);
}

// tanh x = x - x³/3 + ... near 0, and sign(x) (1 - 2 / (e^{2|x|} + 1)) elsewhere.
static inline float hyperbolic_tangent(float x) {
  const float size = std::fabs(x);
  const float square = x * x;
  float sum = -5.70498872745e-3f;
  sum = sum * square + 2.06390887954e-2f;
  sum = sum * square - 5.37397155531e-2f;
  sum = sum * square + 1.33314422036e-1f;
  sum = sum * square - 3.33332819422e-1f;
  const float near = x + x * square * sum;
  const float far = 1.0f - 2.0f / (exponential(2.0f * size) + 1.0f);
  return size < 0.625f ? near : std::copysign(far, x);
}

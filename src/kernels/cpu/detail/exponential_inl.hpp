// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Per-target guard: Highway includes this file once for every instruction set.
#if defined(TESSERA_KERNELS_CPU_EXPONENTIAL_INL) == defined(HWY_TARGET_TOGGLE)
#ifdef TESSERA_KERNELS_CPU_EXPONENTIAL_INL
#undef TESSERA_KERNELS_CPU_EXPONENTIAL_INL
#else
#define TESSERA_KERNELS_CPU_EXPONENTIAL_INL
#endif

#include "kernels/cpu/detail/simd_inl.hpp"

#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

/// exp(x) for x <= 0, to about one unit in the last place; 0 where the result would be below the smallest normal number
/// (x < -87.3), NaN for NaN. The function is our own, since hwy/contrib/math may change between versions and uses no
/// fused multiply-add on the fallback. The polynomial is that of expf in Cephes (Moshier).
template <class D>
HWY_INLINE Vec<D> exponential(D d, Vec<D> x) {
  const hn::RebindToUnsigned<D> bits;
  // Adding 1.5 * 2^23 leaves round(x / log 2) in the low bits of the mantissa; + 127 makes it an exponent.
  const Vec<D> magic = hn::Set(d, 12582912.0F + 127.0F);
  const Vec<D> rounded = fused(d, x, hn::Set(d, 1.44269504088896341F), magic);
  const Vec<D> power = hn::BitCast(d, hn::ShiftLeft<23>(hn::BitCast(bits, rounded)));  // 2^n
  const Vec<D> n = hn::Sub(rounded, magic);
  Vec<D> r = fused(d, n, hn::Set(d, -0.693359375F), x);
  r = fused(d, n, hn::Set(d, 2.12194440e-4F), r);
  Vec<D> p = hn::Set(d, 1.9875691500e-4F);
  p = fused(d, p, r, hn::Set(d, 1.3981999507e-3F));
  p = fused(d, p, r, hn::Set(d, 8.3334519073e-3F));
  p = fused(d, p, r, hn::Set(d, 4.1665795894e-2F));
  p = fused(d, p, r, hn::Set(d, 1.6666665459e-1F));
  p = fused(d, p, r, hn::Set(d, 5.0000001201e-1F));
  const Vec<D> one = hn::Set(d, 1.0F);
  p = hn::Add(fused(d, p, hn::Mul(r, r), r), one);
  return hn::IfThenZeroElse(hn::Lt(x, hn::Set(d, -87.3F)), hn::Mul(p, power));
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#endif  // per-target guard

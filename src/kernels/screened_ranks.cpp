// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/screened_ranks.hpp"

#include "core/error.hpp"

#include <cmath>

namespace tessera::kernels {
namespace {

/// The error of n operations, each of relative error at most `each`, relative to the sum of magnitudes (Higham,
/// Accuracy and Stability of Numerical Algorithms, 2nd ed., lemma 3.1).
double compounded(double n, double each) {
  TESSERA_ASSERT(n * each < 0.5, "too many elements for a bound of their sum");
  return n * each / (1 - n * each);
}

}  // namespace

// With S = sum |q_k e_k| <= |q| |e| (Cauchy and Schwarz), q^ and e^ the rounded operands, u their roundoff:
//   rounding:  |sum q^ e^ - sum q e| <= (2u + u^2) S, and sum |q^ e^| <= (1 + u)^2 S.
//   summing on matrix units (Blanchard, Higham, Lopez, Mary and Pranesh, SIAM J. Sci. Comput. 42, 2020; the units
//     are described in Fasi, Higham, Mikaitis and Pranesh, PeerJ Computer Science 7, 2021): products are exact; b >= 4
//     of them and the sum so far are aligned to the largest of them and cut off below its last bit, so that each loses
//     at most 2^-23 of the sum of magnitudes, as does the result. That is (b + 2) for each of d / b groups and again
//     for sums of split products: fewer than 2 d + 64 times 2^-23 in all, for every b up to 60. Chains of rounded sums
//     lose less.
//   the chain itself: d roundings of 2^-24.
// 1 / 1024 more covers the roundings of the bound and of the comparison with it, which are a few 2^-24.
//
// Underflow: each operand, product and sum may lose 2^-126 besides, where it is flushed to zero; at most
// 4 sqrt(d) 2^-126 (|q| + |e|) + (4 d + 66) 2^-126 in all. Norms have tiny_norm() = 2^-50 sqrt(d) added, so that the
// bound has f 2^-50 sqrt(d) (|q| + |e|) + f 2^-100 d more, where f >= 66 * 2^-23. Overflow: screening leaves a pair
// undecided where a score is not finite or |q| |e| >= 2^126; below it no sum overflows.
float score_error_factor(double operand_roundoff, std::size_t dim) {
  const double u = operand_roundoff;
  const auto d = static_cast<double>(dim);
  const double rounding = 2 * u + u * u;
  const double summing = compounded(2 * d + 64, std::exp2(-23)) * (1 + u) * (1 + u);
  const double chain = compounded(d, std::exp2(-24));
  return static_cast<float>((rounding + summing + chain) * (1 + std::exp2(-10)));
}

}  // namespace tessera::kernels

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/complex_formulas.hpp"
#include "kernels/formula_columns.hpp"

#include <cmath>
#include <cstddef>
#include <cstdint>

/// The formula of every model, once, for every backend. A formula says how a source row s and a relation row r make a
/// query vector q (compose), how the gradient of q becomes the gradient of s, which is overwritten (backward), and what
/// it adds to the gradient of r (add_relation_gradient). The functions work on one row and on columns that do not need
/// each other: a loop over rows takes all columns at once, a thread of a device takes one. An element has the same bits
/// whatever the cut.

namespace tessera::kernels {

enum class Formula : std::uint8_t { kTransE, kDistMult, kComplEx, kRotatE, kRescal, kCp, kSimplE, kQuatE };

/// TransE (Bordes et al., 2013): q = s + r, compared with the target by a distance.
struct TransE : RealColumns {
  TESSERA_HOST_DEVICE static void compose(const float* s, const float* r, float* q, Columns c) {
    for (std::size_t k = c.first; k < c.end; ++k) q[k] = s[k] + r[k];
  }
  TESSERA_HOST_DEVICE static void backward(const float* /*r*/, const float* gq, float* gs, Columns c) {
    for (std::size_t k = c.first; k < c.end; ++k) gs[k] = gq[k];
  }
  TESSERA_HOST_DEVICE static void add_relation_gradient(const float* /*s*/, const float* /*r*/, const float* gq,
                                                        float* gr, Columns c) {
    for (std::size_t k = c.first; k < c.end; ++k) gr[k] += gq[k];
  }
};

/// DistMult (Yang et al., 2015): q = s * r elementwise, score q . t.
struct DistMult : RealColumns {
  TESSERA_HOST_DEVICE static void compose(const float* s, const float* r, float* q, Columns c) {
    for (std::size_t k = c.first; k < c.end; ++k) q[k] = s[k] * r[k];
  }
  TESSERA_HOST_DEVICE static void backward(const float* r, const float* gq, float* gs, Columns c) {
    for (std::size_t k = c.first; k < c.end; ++k) gs[k] = gq[k] * r[k];
  }
  TESSERA_HOST_DEVICE static void add_relation_gradient(const float* s, const float* /*r*/, const float* gq, float* gr,
                                                        Columns c) {
    for (std::size_t k = c.first; k < c.end; ++k) gr[k] += gq[k] * s[k];
  }
};

/// RESCAL (Nickel et al., ICML 2011): q = s M with a full matrix M of [dim, dim] per relation, score q . t. TuckER
/// (Balazevic et al., EMNLP 2019) is the same with M = sum_a r[a] W[a], all relations sharing the core W.
struct Rescal {
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_dim(std::size_t dim) { return dim * dim; }
  TESSERA_HOST_DEVICE static constexpr std::size_t query_columns(std::size_t dim) { return dim; }
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_columns(std::size_t dim) { return dim * dim; }
  TESSERA_HOST_DEVICE static void compose(const float* s, const float* r, float* q, Columns c) {
    for (std::size_t k = c.first; k < c.end; ++k) q[k] = 0;
    for (std::size_t i = 0; i < c.dim; ++i)
      for (std::size_t k = c.first; k < c.end; ++k) q[k] += s[i] * r[i * c.dim + k];
  }
  TESSERA_HOST_DEVICE static void backward(const float* r, const float* gq, float* gs, Columns c) {
    constexpr std::size_t kLanes = 16;  // a fixed order that the compiler can keep in registers
    for (std::size_t i = c.first; i < c.end; ++i) {
      float sums[kLanes] = {};
      std::size_t k = 0;
      for (; k + kLanes <= c.dim; k += kLanes)
        for (std::size_t l = 0; l < kLanes; ++l) sums[l] += r[i * c.dim + k + l] * gq[k + l];
      for (; k < c.dim; ++k) sums[0] += r[i * c.dim + k] * gq[k];
      gs[i] = 0;
      for (const float sum : sums) gs[i] += sum;
    }
  }
  TESSERA_HOST_DEVICE static void add_relation_gradient(const float* s, const float* /*r*/, const float* gq, float* gr,
                                                        Columns c) {
    std::size_t e = c.first;
    for (std::size_t i = c.first / c.dim; e < c.end; ++i) {
      const std::size_t end = (i + 1) * c.dim < c.end ? (i + 1) * c.dim : c.end;
      for (; e < end; ++e) gr[e] += s[i] * gq[e - i * c.dim];
    }
  }
};

/// CP (Hitchcock, 1927; with reciprocal relations Lacroix et al., ICML 2018): an entity has one vector as a source, the
/// first half of its row, and another as a target, the second half; score sum_k s[k] r[k] t[dim / 2 + k].
struct Cp : HalfColumns {
  TESSERA_HOST_DEVICE static void compose(const float* s, const float* r, float* q, Columns c) {
    const std::size_t rank = c.dim / 2;
    for (std::size_t k = c.first; k < c.end; ++k) {
      q[k] = 0;
      q[rank + k] = s[k] * r[k];
    }
  }
  TESSERA_HOST_DEVICE static void backward(const float* r, const float* gq, float* gs, Columns c) {
    const std::size_t rank = c.dim / 2;
    for (std::size_t k = c.first; k < c.end; ++k) {
      gs[k] = gq[rank + k] * r[k];
      gs[rank + k] = 0;
    }
  }
  TESSERA_HOST_DEVICE static void add_relation_gradient(const float* s, const float* /*r*/, const float* gq, float* gr,
                                                        Columns c) {
    const std::size_t rank = c.dim / 2;
    for (std::size_t k = c.first; k < c.end; ++k) gr[k] += gq[rank + k] * s[k];
  }
};

/// SimplE (Kazemi and Poole, NeurIPS 2018): an entity has a vector as a head, the first half of its row, and one as a
/// tail, the second half; a relation has r and its inverse r', likewise. Score of (s, r, t):
/// 1/2 sum_k (s[k] r[k] t[n + k] + s[n + k] r'[k] t[k]), n = dim / 2.
struct SimplE {
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_dim(std::size_t dim) { return dim; }
  TESSERA_HOST_DEVICE static constexpr std::size_t query_columns(std::size_t dim) { return dim / 2; }
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_columns(std::size_t dim) { return dim / 2; }
  TESSERA_HOST_DEVICE static void compose(const float* s, const float* r, float* q, Columns c) {
    const std::size_t half = c.dim / 2;
    for (std::size_t k = c.first; k < c.end; ++k) {
      q[k] = 0.5F * (s[half + k] * r[half + k]);
      q[half + k] = 0.5F * (s[k] * r[k]);
    }
  }
  TESSERA_HOST_DEVICE static void backward(const float* r, const float* gq, float* gs, Columns c) {
    const std::size_t half = c.dim / 2;
    for (std::size_t k = c.first; k < c.end; ++k) {
      gs[k] = 0.5F * (gq[half + k] * r[k]);
      gs[half + k] = 0.5F * (gq[k] * r[half + k]);
    }
  }
  TESSERA_HOST_DEVICE static void add_relation_gradient(const float* s, const float* /*r*/, const float* gq, float* gr,
                                                        Columns c) {
    const std::size_t half = c.dim / 2;
    for (std::size_t k = c.first; k < c.end; ++k) {
      gr[k] += 0.5F * (gq[half + k] * s[k]);
      gr[half + k] += 0.5F * (gq[k] * s[half + k]);
    }
  }
};

/// Calls body(F()) with the formula's type.
template <class Body>
decltype(auto) with_formula(Formula formula, const Body& body) {
  switch (formula) {
    case Formula::kTransE: return body(TransE());
    case Formula::kDistMult: return body(DistMult());
    case Formula::kComplEx: return body(ComplEx());
    case Formula::kRotatE: return body(RotatE());
    case Formula::kRescal: return body(Rescal());
    case Formula::kCp: return body(Cp());
    case Formula::kSimplE: return body(SimplE());
    case Formula::kQuatE: break;
  }
  return body(QuatE());
}

/// Reals per relation row for entity rows of `dim`.
inline std::size_t relation_dim(Formula formula, std::size_t dim) {
  return with_formula(formula, [&](auto f) { return decltype(f)::relation_dim(dim); });
}

/// power * modulus^(power - 2): a real or complex number times this is the gradient of its power.
TESSERA_HOST_DEVICE inline float power_slope(float power, float squared_modulus) {
  if (power == 2.0F) return 2.0F;
  if (power == 3.0F) return 3.0F * std::sqrt(squared_modulus);
  if (power == 4.0F) return 4.0F * squared_modulus;
  // Below 2 the slope of |x|^(p-2) x at 0 is 0, while the power alone is infinite there.
  return squared_modulus > 0 ? power * std::pow(squared_modulus, power / 2 - 1) : 0.0F;
}

/// |x|^power over the numbers x of a row, which are real, or complex (real parts, then imaginary parts).
struct RowPower {
  float power = 2;
  bool is_complex = false;
  TESSERA_HOST_DEVICE std::size_t columns(std::size_t dim) const { return is_complex ? dim / 2 : dim; }
  /// gradient += factor * d/dx |x|^power; a factor of 0 adds nothing at all.
  /// `row[k]` is an element of the row.
  template <class Row>
  TESSERA_HOST_DEVICE void add_gradient(float factor, Row row, float* gradient, Columns c) const {
    if (factor == 0.0F) return;
    if (!is_complex) {
      for (std::size_t k = c.first; k < c.end; ++k)
        gradient[k] += factor * power_slope(power, row[k] * row[k]) * row[k];
      return;
    }
    const std::size_t rank = c.dim / 2;
    for (std::size_t k = c.first; k < c.end; ++k) {
      const float scale = factor * power_slope(power, row[k] * row[k] + row[rank + k] * row[rank + k]);
      gradient[k] += scale * row[k];
      gradient[rank + k] += scale * row[rank + k];
    }
  }
};

}  // namespace tessera::kernels

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/host_device.hpp"

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

/// Columns first .. end - 1 of a formula for entity rows of `dim` reals.
struct Columns {
  std::size_t first;
  std::size_t end;
  std::size_t dim;
};

/// A formula whose columns are the reals of a row.
struct RealColumns {
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_dim(std::size_t dim) { return dim; }
  TESSERA_HOST_DEVICE static constexpr std::size_t query_columns(std::size_t dim) { return dim; }
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_columns(std::size_t dim) { return dim; }
};

/// A formula whose relation row has a real for each of the dim / 2 columns.
struct HalfColumns {
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_dim(std::size_t dim) { return dim / 2; }
  TESSERA_HOST_DEVICE static constexpr std::size_t query_columns(std::size_t dim) { return dim / 2; }
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_columns(std::size_t dim) { return dim / 2; }
};

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

/// ComplEx (Trouillon et al., 2016): score Re(<s, r, conj(t)>) = q . t with q = s * r as complex numbers. A row of dim
/// reals holds dim / 2 real parts, then as many imaginary parts; a column is a complex number.
struct ComplEx {
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_dim(std::size_t dim) { return dim; }
  TESSERA_HOST_DEVICE static constexpr std::size_t query_columns(std::size_t dim) { return dim / 2; }
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_columns(std::size_t dim) { return dim / 2; }
  TESSERA_HOST_DEVICE static void compose(const float* s, const float* r, float* q, Columns c) {
    const std::size_t rank = c.dim / 2;
    for (std::size_t k = c.first; k < c.end; ++k) {
      q[k] = s[k] * r[k] - s[rank + k] * r[rank + k];
      q[rank + k] = s[k] * r[rank + k] + s[rank + k] * r[k];
    }
  }
  TESSERA_HOST_DEVICE static void backward(const float* r, const float* gq, float* gs, Columns c) {
    const std::size_t rank = c.dim / 2;
    for (std::size_t k = c.first; k < c.end; ++k) {
      gs[k] = gq[k] * r[k] + gq[rank + k] * r[rank + k];
      gs[rank + k] = gq[rank + k] * r[k] - gq[k] * r[rank + k];
    }
  }
  TESSERA_HOST_DEVICE static void add_relation_gradient(const float* s, const float* /*r*/, const float* gq, float* gr,
                                                        Columns c) {
    const std::size_t rank = c.dim / 2;
    for (std::size_t k = c.first; k < c.end; ++k) {
      gr[k] += gq[k] * s[k] + gq[rank + k] * s[rank + k];
      gr[rank + k] += gq[rank + k] * s[k] - gq[k] * s[rank + k];
    }
  }
};

/// RotatE (Sun et al., ICLR 2019): q = s turned by the phases r, in the complex plane, compared with the target by the
/// Euclidean distance of complex vectors (as PyKEEN does; the paper adds moduli). A relation row holds dim / 2 phases.
struct RotatE : HalfColumns {
  TESSERA_HOST_DEVICE static void compose(const float* s, const float* r, float* q, Columns c) {
    const std::size_t rank = c.dim / 2;
    for (std::size_t k = c.first; k < c.end; ++k) {
      const float cosine = std::cos(r[k]);
      const float sine = std::sin(r[k]);
      q[k] = s[k] * cosine - s[rank + k] * sine;
      q[rank + k] = s[k] * sine + s[rank + k] * cosine;
    }
  }
  TESSERA_HOST_DEVICE static void backward(const float* r, const float* gq, float* gs, Columns c) {
    const std::size_t rank = c.dim / 2;
    for (std::size_t k = c.first; k < c.end; ++k) {
      const float cosine = std::cos(r[k]);
      const float sine = std::sin(r[k]);
      gs[k] = gq[k] * cosine + gq[rank + k] * sine;
      gs[rank + k] = gq[rank + k] * cosine - gq[k] * sine;
    }
  }
  TESSERA_HOST_DEVICE static void add_relation_gradient(const float* s, const float* r, const float* gq, float* gr,
                                                        Columns c) {
    const std::size_t rank = c.dim / 2;
    for (std::size_t k = c.first; k < c.end; ++k) {
      const float cosine = std::cos(r[k]);
      const float sine = std::sin(r[k]);
      gr[k] += gq[rank + k] * (s[k] * cosine - s[rank + k] * sine) - gq[k] * (s[k] * sine + s[rank + k] * cosine);
    }
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

/// QuatE (Zhang et al., NeurIPS 2019): rows are quaternions, dim / 4 real parts, then as many of i, j and k. A column is
/// a quaternion; q = s (r / |r|), the Hamilton product, score q . t. A relation of length 0 is left as it is.
struct QuatE {
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_dim(std::size_t dim) { return dim; }
  TESSERA_HOST_DEVICE static constexpr std::size_t query_columns(std::size_t dim) { return dim / 4; }
  TESSERA_HOST_DEVICE static constexpr std::size_t relation_columns(std::size_t dim) { return dim / 4; }

  struct Quaternion {
    float a, i, j, k;
  };
  TESSERA_HOST_DEVICE static Quaternion at(const float* row, std::size_t column, std::size_t n) {
    return {row[column], row[n + column], row[2 * n + column], row[3 * n + column]};
  }
  TESSERA_HOST_DEVICE static Quaternion conjugate(Quaternion x) { return {x.a, -x.i, -x.j, -x.k}; }
  /// The Hamilton product x y.
  TESSERA_HOST_DEVICE static Quaternion product(Quaternion x, Quaternion y) {
    return {x.a * y.a - x.i * y.i - x.j * y.j - x.k * y.k, x.a * y.i + x.i * y.a + x.j * y.k - x.k * y.j,
            x.a * y.j - x.i * y.k + x.j * y.a + x.k * y.i, x.a * y.k + x.i * y.j - x.j * y.i + x.k * y.a};
  }
  /// 1 / |x|; 1 for a quaternion of length 0.
  TESSERA_HOST_DEVICE static float inverse_length(Quaternion x) {
    const float squared = x.a * x.a + x.i * x.i + x.j * x.j + x.k * x.k;
    return squared > 0 ? 1.0F / std::sqrt(squared) : 1.0F;
  }
  TESSERA_HOST_DEVICE static Quaternion unit(Quaternion x) {
    const float scale = inverse_length(x);
    return {x.a * scale, x.i * scale, x.j * scale, x.k * scale};
  }
  TESSERA_HOST_DEVICE static void put(Quaternion x, float* row, std::size_t column, std::size_t n) {
    row[column] = x.a;
    row[n + column] = x.i;
    row[2 * n + column] = x.j;
    row[3 * n + column] = x.k;
  }

  TESSERA_HOST_DEVICE static void compose(const float* s, const float* r, float* q, Columns c) {
    const std::size_t n = c.dim / 4;
    for (std::size_t k = c.first; k < c.end; ++k) put(product(at(s, k, n), unit(at(r, k, n))), q, k, n);
  }
  /// The gradient of x y in x is g conj(y).
  TESSERA_HOST_DEVICE static void backward(const float* r, const float* gq, float* gs, Columns c) {
    const std::size_t n = c.dim / 4;
    for (std::size_t k = c.first; k < c.end; ++k)
      put(product(at(gq, k, n), conjugate(unit(at(r, k, n)))), gs, k, n);
  }
  /// The gradient of x y in y is conj(x) g; that of y = r / |r| in r takes off what points along y, over |r|.
  TESSERA_HOST_DEVICE static void add_relation_gradient(const float* s, const float* r, const float* gq, float* gr,
                                                        Columns c) {
    const std::size_t n = c.dim / 4;
    for (std::size_t k = c.first; k < c.end; ++k) {
      const Quaternion x = at(r, k, n);
      const Quaternion y = unit(x);
      const Quaternion g = product(conjugate(at(s, k, n)), at(gq, k, n));
      const float along = g.a * y.a + g.i * y.i + g.j * y.j + g.k * y.k;
      const float scale = inverse_length(x);
      gr[k] += scale * (g.a - along * y.a);
      gr[n + k] += scale * (g.i - along * y.i);
      gr[2 * n + k] += scale * (g.j - along * y.j);
      gr[3 * n + k] += scale * (g.k - along * y.k);
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

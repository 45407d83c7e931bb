// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "kernels/formula_columns.hpp"

#include <cmath>
#include <cstddef>

/// Formulas of models whose rows are complex numbers or quaternions (formulas.hpp says what a formula is).

namespace tessera::kernels {

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

/// QuatE (Zhang et al., NeurIPS 2019): rows are quaternions, dim / 4 real parts, then as many of i, j and k. A column
/// is a quaternion; q = s (r / |r|), the Hamilton product, score q . t. A relation of length 0 is left as it is.
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
    for (std::size_t k = c.first; k < c.end; ++k) put(product(at(gq, k, n), conjugate(unit(at(r, k, n)))), gs, k, n);
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

}  // namespace tessera::kernels

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>

/// The formula of every model, once, for every backend: how a source row s and a relation row r make a query vector q,
/// and how the gradient of q becomes that of s (overwritten) and is added to that of r. Plain functions of one row;
/// loops and threads are elsewhere.

namespace tessera::model {

/// TransE (Bordes et al., 2013): q = s + r, compared with the target by a distance.
struct TransE {
  static constexpr std::size_t relation_dim(std::size_t dim) { return dim; }
  static void compose(const float* s, const float* r, float* q, std::size_t dim) {
    for (std::size_t k = 0; k < dim; ++k) q[k] = s[k] + r[k];
  }
  static void backward(const float* /*r*/, const float* gq, float* gs, std::size_t dim) {
    for (std::size_t k = 0; k < dim; ++k) gs[k] = gq[k];
  }
  static void add_relation_gradient(const float* /*s*/, const float* /*r*/, const float* gq, float* gr,
                                    std::size_t dim) {
    for (std::size_t k = 0; k < dim; ++k) gr[k] += gq[k];
  }
};

/// DistMult (Yang et al., 2015): q = s * r elementwise, score q . t.
struct DistMult {
  static constexpr std::size_t relation_dim(std::size_t dim) { return dim; }
  static void compose(const float* s, const float* r, float* q, std::size_t dim) {
    for (std::size_t k = 0; k < dim; ++k) q[k] = s[k] * r[k];
  }
  static void backward(const float* r, const float* gq, float* gs, std::size_t dim) {
    for (std::size_t k = 0; k < dim; ++k) gs[k] = gq[k] * r[k];
  }
  static void add_relation_gradient(const float* s, const float* /*r*/, const float* gq, float* gr, std::size_t dim) {
    for (std::size_t k = 0; k < dim; ++k) gr[k] += gq[k] * s[k];
  }
};

/// ComplEx (Trouillon et al., 2016): score Re(<s, r, conj(t)>) = q . t with q = s * r as complex numbers. A row of dim
/// reals holds dim / 2 real parts, then as many imaginary parts.
struct ComplEx {
  static constexpr std::size_t relation_dim(std::size_t dim) { return dim; }
  static void compose(const float* s, const float* r, float* q, std::size_t dim) {
    const std::size_t rank = dim / 2;
    for (std::size_t k = 0; k < rank; ++k) {
      q[k] = s[k] * r[k] - s[rank + k] * r[rank + k];
      q[rank + k] = s[k] * r[rank + k] + s[rank + k] * r[k];
    }
  }
  static void backward(const float* r, const float* gq, float* gs, std::size_t dim) {
    const std::size_t rank = dim / 2;
    for (std::size_t k = 0; k < rank; ++k) {
      gs[k] = gq[k] * r[k] + gq[rank + k] * r[rank + k];
      gs[rank + k] = gq[rank + k] * r[k] - gq[k] * r[rank + k];
    }
  }
  static void add_relation_gradient(const float* s, const float* /*r*/, const float* gq, float* gr, std::size_t dim) {
    const std::size_t rank = dim / 2;
    for (std::size_t k = 0; k < rank; ++k) {
      gr[k] += gq[k] * s[k] + gq[rank + k] * s[rank + k];
      gr[rank + k] += gq[rank + k] * s[k] - gq[k] * s[rank + k];
    }
  }
};

}  // namespace tessera::model

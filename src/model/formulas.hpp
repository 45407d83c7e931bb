// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cmath>
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

/// RotatE (Sun et al., ICLR 2019): q = s turned by the phases r, in the complex plane, compared with the target by the
/// Euclidean distance of complex vectors (as PyKEEN does; the paper adds moduli). A relation row holds dim / 2 phases.
struct RotatE {
  static constexpr std::size_t relation_dim(std::size_t dim) { return dim / 2; }
  static void compose(const float* s, const float* r, float* q, std::size_t dim) {
    const std::size_t rank = dim / 2;
    for (std::size_t k = 0; k < rank; ++k) {
      const float c = std::cos(r[k]);
      const float d = std::sin(r[k]);
      q[k] = s[k] * c - s[rank + k] * d;
      q[rank + k] = s[k] * d + s[rank + k] * c;
    }
  }
  static void backward(const float* r, const float* gq, float* gs, std::size_t dim) {
    const std::size_t rank = dim / 2;
    for (std::size_t k = 0; k < rank; ++k) {
      const float c = std::cos(r[k]);
      const float d = std::sin(r[k]);
      gs[k] = gq[k] * c + gq[rank + k] * d;
      gs[rank + k] = gq[rank + k] * c - gq[k] * d;
    }
  }
  static void add_relation_gradient(const float* s, const float* r, const float* gq, float* gr, std::size_t dim) {
    const std::size_t rank = dim / 2;
    for (std::size_t k = 0; k < rank; ++k) {
      const float c = std::cos(r[k]);
      const float d = std::sin(r[k]);
      gr[k] += gq[rank + k] * (s[k] * c - s[rank + k] * d) - gq[k] * (s[k] * d + s[rank + k] * c);
    }
  }
};

/// RESCAL (Nickel et al., ICML 2011): q = s M with a full matrix M of [dim, dim] per relation, score q . t. TuckER
/// (Balazevic et al., EMNLP 2019) is the same with M = sum_a r[a] W[a], all relations sharing the core W.
struct Rescal {
  static constexpr std::size_t relation_dim(std::size_t dim) { return dim * dim; }
  static void compose(const float* s, const float* r, float* q, std::size_t dim) {
    for (std::size_t k = 0; k < dim; ++k) q[k] = 0;
    for (std::size_t i = 0; i < dim; ++i)
      for (std::size_t k = 0; k < dim; ++k) q[k] += s[i] * r[i * dim + k];
  }
  static void backward(const float* r, const float* gq, float* gs, std::size_t dim) {
    constexpr std::size_t kLanes = 16;  // a fixed order that the compiler can keep in registers
    for (std::size_t i = 0; i < dim; ++i) {
      float sums[kLanes] = {};
      std::size_t k = 0;
      for (; k + kLanes <= dim; k += kLanes)
        for (std::size_t l = 0; l < kLanes; ++l) sums[l] += r[i * dim + k + l] * gq[k + l];
      for (; k < dim; ++k) sums[0] += r[i * dim + k] * gq[k];
      gs[i] = 0;
      for (const float sum : sums) gs[i] += sum;
    }
  }
  static void add_relation_gradient(const float* s, const float* /*r*/, const float* gq, float* gr, std::size_t dim) {
    for (std::size_t i = 0; i < dim; ++i)
      for (std::size_t k = 0; k < dim; ++k) gr[i * dim + k] += s[i] * gq[k];
  }
};

/// CP (Hitchcock, 1927; with reciprocal relations Lacroix et al., ICML 2018): an entity has one vector as a source, the
/// first half of its row, and another as a target, the second half; score sum_k s[k] r[k] t[dim / 2 + k].
struct Cp {
  static constexpr std::size_t relation_dim(std::size_t dim) { return dim / 2; }
  static void compose(const float* s, const float* r, float* q, std::size_t dim) {
    const std::size_t rank = dim / 2;
    for (std::size_t k = 0; k < rank; ++k) {
      q[k] = 0;
      q[rank + k] = s[k] * r[k];
    }
  }
  static void backward(const float* r, const float* gq, float* gs, std::size_t dim) {
    const std::size_t rank = dim / 2;
    for (std::size_t k = 0; k < rank; ++k) {
      gs[k] = gq[rank + k] * r[k];
      gs[rank + k] = 0;
    }
  }
  static void add_relation_gradient(const float* s, const float* /*r*/, const float* gq, float* gr, std::size_t dim) {
    const std::size_t rank = dim / 2;
    for (std::size_t k = 0; k < rank; ++k) gr[k] += gq[rank + k] * s[k];
  }
};

}  // namespace tessera::model

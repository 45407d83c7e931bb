// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "kernels/dropout.hpp"
#include "memory/pool.hpp"
#include "model/parameters.hpp"

#include <cstddef>
#include <cstdint>

namespace tessera::sampling {

/// Where the queries of a batch stand: number i is first + i in the order in which this epoch visits those of the part.
struct OrderPosition {
  std::uint32_t epoch = 0;
  std::uint32_t part = 0;  ///< of the graph
  std::uint64_t first = 0;
  /// That of the query at `index` behind this one.
  [[nodiscard]] OrderPosition behind(std::uint64_t index) const { return {epoch, part, first + index}; }
};

/// Dropout (Srivastava et al., JMLR 2014) of what a query vector is composed of: its source row and the operator of its
/// relation. Every query drops elements of its own; those that stay are divided by the chance to stay. A mask is a
/// function of (seed, epoch, part, position, element): ranks, threads and the way to exchange cannot change it. It is
/// made again wherever it is needed, as gradients take the same factors.
class Dropout {
 public:
  /// Memory for one operator and one gradient of it per thread, if relations are dropped.
  Dropout(const Job& job, const model::Parameters& parameters, std::size_t threads, memory::Pool& pool);

  [[nodiscard]] bool drops_entities() const { return entity_.threshold > 0; }
  [[nodiscard]] bool drops_relations() const { return relation_.threshold > 0; }
  /// Of source rows, or their gradients: row i of the mask is that of the query at i behind `at`.
  [[nodiscard]] kernels::DropoutMask source_mask(const OrderPosition& at) const;
  /// Likewise, of operators.
  [[nodiscard]] kernels::DropoutMask operator_mask(const OrderPosition& at) const;
  /// Multiplies a source row [dim] of the query at `index` behind `at`, or its gradient, by the mask.
  void mask_source(const OrderPosition& at, std::size_t index, float* row) const {
    source_mask(at).apply(index, row, entity_.dim);
  }
  /// Likewise, an operator [operator dim].
  void mask_operator(const OrderPosition& at, std::size_t index, float* row) const {
    operator_mask(at).apply(index, row, relation_.dim);
  }
  /// Scratch of one thread, [operator dim] each; only if relations are dropped.
  [[nodiscard]] float* operator_scratch(std::size_t worker) const {
    return scratch_.data() + 2 * worker * relation_.dim;
  }
  [[nodiscard]] float* gradient_scratch(std::size_t worker) const { return operator_scratch(worker) + relation_.dim; }

 private:
  struct Mask {
    std::size_t dim = 0;
    std::uint32_t threshold = 0;  // a random word below it drops its element
    float gain = 1;               // of those that stay
  };
  static Mask find_mask(double rate, std::size_t dim);
  [[nodiscard]] kernels::DropoutMask make_mask(const Mask& mask, const OrderPosition& at,
                                               std::uint64_t first_block) const;

  std::uint64_t seed_;
  Mask entity_;
  Mask relation_;
  memory::Buffer<float> scratch_;
};

}  // namespace tessera::sampling

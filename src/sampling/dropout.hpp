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

/// The position of a batch in an epoch: its query i is query first + i of the part, in the order of this epoch.
struct OrderPosition {
  std::uint32_t epoch = 0;
  std::uint32_t part = 0;  ///< number of the part in the graph
  std::uint64_t first = 0;
  /// The position of the query that follows this one by `index`.
  [[nodiscard]] OrderPosition behind(std::uint64_t index) const { return {epoch, part, first + index}; }
};

/// Dropout (Srivastava et al., JMLR 2014) of the source row and of the relation's operator, before a query vector is
/// composed. Every query drops its own elements; the others are divided by the chance to stay. A mask is a function of
/// (seed, epoch, part, position, element): ranks, threads and the exchange cannot change it. No mask is stored;
/// gradients make it again.
class Dropout {
 public:
  /// Memory for one operator and one gradient of it per thread, if relations are dropped.
  Dropout(const Job& job, const model::Parameters& parameters, std::size_t threads, memory::Pool& pool);

  [[nodiscard]] bool drops_entities() const { return entity_.threshold > 0; }
  [[nodiscard]] bool drops_relations() const { return relation_.threshold > 0; }
  /// The mask of source rows and of their gradients. Row i belongs to query at.behind(i).
  [[nodiscard]] kernels::DropoutMask source_mask(const OrderPosition& at) const;
  /// The mask of operators and of their gradients. Row i belongs to query at.behind(i).
  [[nodiscard]] kernels::DropoutMask operator_mask(const OrderPosition& at) const;
  /// Multiplies the source row [dim] of query at.behind(index), or its gradient, by the mask.
  void mask_source(const OrderPosition& at, std::size_t index, float* row) const {
    source_mask(at).apply(index, row, entity_.dim);
  }
  /// Multiplies the operator [operator dim] of query at.behind(index), or its gradient, by the mask.
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
    float gain = 1;               // factor on elements that stay
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

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "exchange/groups.hpp"
#include "sampling/query_lists.hpp"

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace tessera::sampling {

/// Makes the lists that the query side of a part needs in a step.
template <execution::Space kSpace>
class SideDraw {
 public:
  using Writer = execution::ListWriter<kSpace>;

  /// The uses of the lists.
  struct Uses {
    bool drops_relations = false;
    bool has_core = false;
    bool makes_all_operators = false;
    bool has_weights = false;
  };
  /// `queries`: the most queries of a step.
  SideDraw(const Uses& uses, std::uint64_t queries);
  /// Most numbers that put() puts.
  [[nodiscard]] static std::uint64_t words(std::uint64_t queries) { return 10 * queries + 1; }

  struct Drawn {
    OrderPosition position;
    std::size_t own_begin = 0;   ///< where the queries begin among those of the owned parts
    std::size_t first_leaf = 0;  ///< and the distinct relations
    std::span<const std::uint32_t> sources;
    std::span<const std::uint32_t> relations;
    std::span<const std::uint32_t> answers;  ///< empty: one each
    std::span<const float> weights;          ///< sums of weights of the answers; empty: the answers count once
    const exchange::Groups& by_relation;
  };
  void put(const Drawn& drawn, Writer& writer, QueryLists<kSpace>& lists);

 private:
  void put_answers(const Drawn& drawn, Writer& writer, QueryLists<kSpace>& lists);
  void put_weights(const Drawn& drawn, Writer& writer, QueryLists<kSpace>& lists);
  void put_operators(const Drawn& drawn, Writer& writer, QueryLists<kSpace>& lists);

  Uses uses_;
  std::vector<std::uint32_t> scratch_[2];
  std::vector<float> of_relations_;
};

/// Groups as segments of their ids.
template <execution::Space kSpace>
kernels::BasicSegments<kSpace> put_groups(const exchange::Groups& groups, execution::ListWriter<kSpace>& writer) {
  const auto offsets = writer.put(groups.offsets());
  return {offsets, writer.put(groups.positions())};
}

extern template class SideDraw<execution::Space::kHost>;
extern template class SideDraw<execution::Space::kDevice>;

}  // namespace tessera::sampling

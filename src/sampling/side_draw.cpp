// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "sampling/side_draw.hpp"

namespace tessera::sampling {

using exchange::Groups;
using execution::Space;

template <Space kSpace>
SideDraw<kSpace>::SideDraw(const Uses& uses, std::uint64_t queries) : uses_(uses) {
  for (auto& scratch : scratch_) scratch.reserve(queries);
  if (uses.has_weights) of_relations_.reserve(queries);
}

template <Space kSpace>
void SideDraw<kSpace>::put(const Drawn& drawn, Writer& writer, QueryLists<kSpace>& lists) {
  lists.queries = drawn.relations.size();
  lists.own_begin = drawn.own_begin;
  lists.first_leaf = drawn.first_leaf;
  lists.position = drawn.position;
  lists.sources = writer.put(drawn.sources);
  lists.relations = writer.put(drawn.relations);
  lists.relation_ids = writer.put(drawn.by_relation.ids());
  lists.by_relation = put_groups(drawn.by_relation, writer);
  put_answers(drawn, writer, lists);
  if (uses_.has_core || uses_.drops_relations) put_operators(drawn, writer, lists);
}

template <Space kSpace>
void SideDraw<kSpace>::put_answers(const Drawn& drawn, Writer& writer, QueryLists<kSpace>& lists) {
  if (!drawn.weights.empty()) return put_weights(drawn, writer, lists);
  const Groups& relations = drawn.by_relation;
  auto& answers = scratch_[0];
  auto& of_relations = scratch_[1];
  if (drawn.answers.empty())
    answers.assign(drawn.relations.size(), 1);
  else
    answers.assign(drawn.answers.begin(), drawn.answers.end());
  of_relations.assign(relations.size(), 0);
  for (std::size_t u = 0; u < relations.size(); ++u)
    for (const std::uint32_t position : relations.positions_of(u)) of_relations[u] += answers[position];
  lists.answers = writer.put_floats(answers);
  lists.relation_answers = writer.put_floats(of_relations);
}

template <Space kSpace>
void SideDraw<kSpace>::put_weights(const Drawn& drawn, Writer& writer, QueryLists<kSpace>& lists) {
  const Groups& relations = drawn.by_relation;
  of_relations_.clear();
  for (std::size_t u = 0; u < relations.size(); ++u) {
    double sum = 0;
    for (const std::uint32_t position : relations.positions_of(u)) sum += static_cast<double>(drawn.weights[position]);
    of_relations_.push_back(static_cast<float>(sum));
  }
  lists.answers = writer.put_floats(drawn.weights);
  lists.relation_answers = writer.put_floats(std::span<const float>(of_relations_));
}

template <Space kSpace>
void SideDraw<kSpace>::put_operators(const Drawn& drawn, Writer& writer, QueryLists<kSpace>& lists) {
  const Groups& relations = drawn.by_relation;
  auto& leaves = scratch_[0];
  auto& sorted = scratch_[1];
  leaves.resize(drawn.relations.size());
  sorted.clear();
  for (std::size_t u = 0; u < relations.size(); ++u)
    for (const std::uint32_t position : relations.positions_of(u)) {
      leaves[position] = static_cast<std::uint32_t>(drawn.first_leaf + u);
      sorted.push_back(uses_.has_core && !uses_.makes_all_operators ? leaves[position] : relations.ids()[u]);
    }
  if (uses_.has_core) lists.relation_leaves = writer.put(leaves);
  if (uses_.drops_relations) lists.sorted_relations = writer.put(sorted);
}

template class SideDraw<Space::kHost>;
template class SideDraw<Space::kDevice>;

}  // namespace tessera::sampling

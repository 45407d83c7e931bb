// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/sparse_tree_sum.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <cstring>

namespace tessera::exchange {

namespace {

// Most rows of all nodes of the tree at and below `node`, the leaves left out. While a node is made it takes at most as
// many again: the rows of both sides, before it is known which they share.
std::uint64_t merged_rows(PartRange node, std::uint64_t leaf_rows, std::uint64_t id_bound) {
  if (node.size() == 1) return 0;
  const std::uint32_t middle = split_point(node);
  return std::min(id_bound, leaf_rows * node.size()) + merged_rows({node.first, middle}, leaf_rows, id_bound) +
         merged_rows({middle, node.end}, leaf_rows, id_bound);
}

}  // namespace

SparseTreeSum::SparseTreeSum(comm::Communicator& comm, const graph::Placement& placement, std::uint64_t leaf_capacity,
                             std::uint64_t id_bound, std::size_t cols, memory::Pool& pool)
    : comm_(comm), parts_(placement.part_count()), cols_(cols), first_own_(placement.first_part(comm.rank()).value()) {
  const std::uint64_t leaf_rows = std::min(leaf_capacity, id_bound);
  std::uint64_t own_rows = 0;
  std::uint64_t all_rows = 0;
  for (std::int32_t r = 0; r < comm.size(); ++r) {
    const PartRange owned{placement.first_part(Rank(r)).value(), placement.end_part(Rank(r)).value()};
    subtrees_.push_back(complete_subtrees(owned, parts_));
    for (const PartRange subtree : subtrees_.back()) {
      const std::uint64_t rows = std::min(id_bound, leaf_rows * subtree.size());
      all_rows += rows;
      if (Rank(r) == comm.rank()) own_rows += rows;
      all_subtrees_.push_back(subtree);
    }
  }
  const std::uint64_t scratch_rows =
      merged_rows({0, parts_}, leaf_rows, id_bound) + std::min(id_bound, leaf_rows * parts_);
  ids_ = pool.allocate<std::uint32_t>(memory::Tag::kGradients, scratch_rows);
  rows_ = pool.allocate<float>(memory::Tag::kGradients, scratch_rows * cols);
  if (comm.size() > 1) {
    const std::uint64_t row_bytes = sizeof(std::uint32_t) + cols * sizeof(float);
    sent_ = pool.allocate<std::byte>(memory::Tag::kExchange, own_rows * row_bytes);
    received_ = pool.allocate<std::byte>(memory::Tag::kExchange, all_rows * row_bytes);
  }
  counts_bytes_.resize(static_cast<std::size_t>(comm.size()));
  sizes_.resize(all_subtrees_.size() + counts_bytes_.size());
  own_sizes_.resize(subtrees_[static_cast<std::size_t>(comm.rank().value())].size() + 1);
  nodes_.reserve(all_subtrees_.size());
  own_nodes_.reserve(own_sizes_.size());
  const std::uint32_t own_parts = placement.end_part(comm.rank()).value() - first_own_;
  leaves_.reserve(own_parts);
  for (std::uint32_t i = 0; i < own_parts; ++i) leaf_ranges_.push_back({first_own_ + i, first_own_ + i + 1});
}

SparseRows SparseTreeSum::sum(std::span<const SparseRows> leaves, bool& flag) {
  TESSERA_ASSERT(leaves.size() == leaf_ranges_.size(), "one leaf per owned part");
  taken_ = 0;
  leaves_.clear();
  for (const SparseRows& leaf : leaves) {
    TESSERA_ASSERT(leaf.rows.stride == cols_, "leaves are dense");
    leaves_.push_back(
        {{const_cast<std::uint32_t*>(leaf.ids.data()), leaf.ids.size()}, const_cast<float*>(leaf.rows.data)});
  }
  own_nodes_.clear();
  for (const PartRange subtree : subtrees_[static_cast<std::size_t>(comm_.rank().value())])
    own_nodes_.push_back(reduce(subtree, leaf_ranges_, leaves_));
  if (comm_.size() == 1) {
    const Node& root = own_nodes_.front();
    return {root.ids, {root.rows, root.ids.size(), cols_, cols_}};
  }
  gather(own_nodes_, flag);
  const Node root = reduce({0, parts_}, all_subtrees_, nodes_);
  return {root.ids, {root.rows, root.ids.size(), cols_, cols_}};
}

SparseTreeSum::Node SparseTreeSum::reduce(PartRange node, std::span<const PartRange> known,
                                          std::span<const Node> values) {
  return reduce_tree<Node>(
      node, known, [&](std::size_t i) { return values[i]; },
      [&](const Node& left, const Node& right) { return merge(left, right); });
}

SparseTreeSum::Node SparseTreeSum::take(std::size_t rows) {
  TESSERA_ASSERT(taken_ + rows <= ids_.size(), "scratch of the tree sum");
  const Node node{ids_.span().subspan(taken_, rows), rows_.data() + taken_ * cols_};
  taken_ += rows;
  return node;
}

SparseTreeSum::Node SparseTreeSum::merge(const Node& left, const Node& right) {
  Node out = take(left.ids.size() + right.ids.size());
  std::size_t a = 0;
  std::size_t b = 0;
  std::size_t n = 0;
  for (; a < left.ids.size() || b < right.ids.size(); ++n) {
    const bool from_left = a < left.ids.size() && (b == right.ids.size() || left.ids[a] <= right.ids[b]);
    const bool from_right = b < right.ids.size() && (a == left.ids.size() || right.ids[b] <= left.ids[a]);
    out.ids[n] = from_left ? left.ids[a] : right.ids[b];
    float* to = out.rows + n * cols_;
    const float* x = left.rows + a * cols_;
    const float* y = right.rows + b * cols_;
    if (from_left && from_right)
      for (std::size_t k = 0; k < cols_; ++k) to[k] = x[k] + y[k];
    else
      std::memcpy(to, from_left ? x : y, cols_ * sizeof(float));
    a += from_left ? 1 : 0;
    b += from_right ? 1 : 0;
  }
  taken_ -= out.ids.size() - n;
  out.ids = out.ids.first(n);
  return out;
}

// Spreads the subtrees of all ranks: first their sizes and the flags, then ids and rows.
void SparseTreeSum::gather(std::span<const Node> own, bool& flag) {
  const std::uint64_t row_bytes = sizeof(std::uint32_t) + cols_ * sizeof(float);
  own_sizes_.back() = flag ? 1 : 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < own.size(); ++i) {
    own_sizes_[i] = static_cast<std::uint32_t>(own[i].ids.size());
    std::memcpy(sent_.data() + at, own[i].ids.data(), own[i].ids.size_bytes());
    at += own[i].ids.size_bytes();
    std::memcpy(sent_.data() + at, own[i].rows, own[i].ids.size() * cols_ * sizeof(float));
    at += own[i].ids.size() * cols_ * sizeof(float);
  }
  for (std::size_t r = 0; r < subtrees_.size(); ++r)
    counts_bytes_[r] = (subtrees_[r].size() + 1) * sizeof(std::uint32_t);
  comm_.all_gather(std::as_bytes(std::span(own_sizes_)), std::as_writable_bytes(std::span(sizes_)), counts_bytes_);
  flag = false;
  for (std::size_t r = 0, i = 0; r < subtrees_.size(); ++r, ++i) {
    counts_bytes_[r] = 0;
    for (std::size_t k = 0; k < subtrees_[r].size(); ++k, ++i) counts_bytes_[r] += sizes_[i] * row_bytes;
    flag = flag || sizes_[i] != 0;
  }
  std::uint64_t total = 0;
  for (const std::uint64_t count : counts_bytes_) total += count;
  comm_.all_gather(sent_.span().first(at), received_.span().first(total), counts_bytes_);
  nodes_.clear();
  std::byte* next = received_.data();
  for (std::size_t r = 0, i = 0; r < subtrees_.size(); ++r, ++i) {
    for (std::size_t k = 0; k < subtrees_[r].size(); ++k, ++i) {
      Node node{{reinterpret_cast<std::uint32_t*>(next), sizes_[i]}, nullptr};
      next += node.ids.size_bytes();
      node.rows = reinterpret_cast<float*>(next);
      next += node.ids.size() * cols_ * sizeof(float);
      nodes_.push_back(node);
    }
  }
}

}  // namespace tessera::exchange

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "exchange/query_exchange.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <bit>
#include <cstring>
#include <utility>

namespace tessera::exchange {
namespace {

using kernels::ConstMatrix;
using kernels::Matrix;
using memory::Tag;

constexpr int kReturnTag = 8;

std::uint64_t sum(std::span<const std::uint64_t> values) {
  std::uint64_t total = 0;
  for (const std::uint64_t value : values) total += value;
  return total;
}

}  // namespace

QueryExchange::QueryExchange(comm::Communicator& comm, const graph::Shard& shard, std::size_t dim, bool with_sources,
                             const Capacity& capacity, memory::Pool& pool)
    : comm_(comm),
      shard_(shard),
      dim_(dim),
      width_(with_sources ? 2 * dim : dim),
      self_(static_cast<std::size_t>(comm.rank().value())) {
  const std::uint32_t parts = shard.manifest.part_count();
  const graph::Placement& placement = shard.placement;
  for (std::int32_t r = 0; r < comm.size(); ++r) {
    subtrees_.push_back(
        complete_subtrees({placement.first_part(Rank(r)).value(), placement.end_part(Rank(r)).value()}, parts));
    first_subtree_.push_back(all_subtrees_.size());
    all_subtrees_.insert(all_subtrees_.end(), subtrees_.back().begin(), subtrees_.back().end());
  }
  const std::uint64_t queries = sum(capacity.queries);
  const std::uint64_t targets = sum(capacity.targets);
  std::uint64_t own_queries = 0;
  std::uint64_t own_targets = 0;
  for (const graph::Part& part : shard.parts) {
    own_queries += capacity.queries[part.id().index()];
    own_targets += capacity.targets[part.id().index()];
    most_queries_ = std::max(most_queries_, capacity.queries[part.id().index()]);
  }
  query_begin_.assign(parts + 1, 0);
  target_begin_.assign(parts + 1, 0);
  counts_.assign(std::size_t{2} * parts, 0);
  own_counts_.assign(2 * shard.parts.size(), 0);
  bytes_.assign(static_cast<std::size_t>(comm.size()), 0);
  own_queries_ = pool.allocate<float>(Tag::kExchange, own_queries * width_);
  queries_ = pool.allocate<float>(Tag::kExchange, queries * width_);
  own_targets_ = pool.allocate<QueryTarget>(Tag::kExchange, own_targets);
  targets_ = pool.allocate<QueryTarget>(Tag::kExchange, targets);
  own_statistics_ = pool.allocate<Statistic>(Tag::kExchange, own_subtrees().size() * queries);
  statistics_ = pool.allocate<Statistic>(Tag::kExchange, all_subtrees_.size() * queries);
  target_scores_ = pool.allocate<float>(Tag::kExchange, targets);
  packed_scores_ = pool.allocate<float>(Tag::kExchange, targets);
  all_scores_ = pool.allocate<float>(Tag::kExchange, targets);
  gradients_ = pool.allocate<float>(Tag::kGradients, own_subtrees().size() * queries * width_);
  received_ =
      pool.allocate<float>(Tag::kExchange, (all_subtrees_.size() - own_subtrees().size()) * own_queries * width_);
  const std::uint64_t levels = static_cast<std::uint64_t>(std::bit_width(parts)) + 1;
  returned_ = pool.allocate<float>(Tag::kGradients, most_queries_ * width_);
  sums_ = pool.allocate<float>(Tag::kGradients, levels * most_queries_ * width_);
  transfers_.reserve(2 * static_cast<std::size_t>(comm.size()));
}

ConstMatrix QueryExchange::queries() const { return {queries_.data(), query_count(), dim_, width_}; }

ConstMatrix QueryExchange::sources() const {
  TESSERA_ASSERT(width_ > dim_, "sources travel only when asked for");
  return {queries_.data() + dim_, query_count(), dim_, width_};
}

std::uint64_t QueryExchange::rank_queries(std::size_t rank) const {
  const Rank r(static_cast<std::int32_t>(rank));
  return query_begin_[shard_.placement.end_part(r).index()] - query_begin_[shard_.placement.first_part(r).index()];
}

// ---- queries to everybody

void QueryExchange::gather_counts(std::span<const PartQueries> own) {
  for (std::size_t p = 0; p < own.size(); ++p) {
    own_counts_[2 * p] = own[p].queries.rows;
    own_counts_[2 * p + 1] = own[p].targets.size();
  }
  for (std::size_t r = 0; r < bytes_.size(); ++r) {
    const Rank rank(static_cast<std::int32_t>(r));
    bytes_[r] = 2 * sizeof(std::uint64_t) *
                (shard_.placement.end_part(rank).value() - shard_.placement.first_part(rank).value());
  }
  comm_.all_gather(std::as_bytes(std::span(own_counts_)), std::as_writable_bytes(std::span(counts_)), bytes_);
  for (std::size_t p = 0; p + 1 < query_begin_.size(); ++p) {
    query_begin_[p + 1] = query_begin_[p] + counts_[2 * p];
    target_begin_[p + 1] = target_begin_[p] + counts_[2 * p + 1];
  }
}

void QueryExchange::gather(std::span<const PartQueries> own) {
  gather_targets(own);
  gather_vectors(own);
}

void QueryExchange::gather_targets(std::span<const PartQueries> own) {
  TESSERA_ASSERT(own.size() == shard_.parts.size(), "one set of queries per owned part");
  gather_counts(own);
  std::uint64_t target = 0;
  for (std::size_t p = 0; p < own.size(); ++p) {
    const auto first = static_cast<std::uint32_t>(query_begin_[shard_.parts[p].id().index()]);
    for (QueryTarget entry : own[p].targets) {
      entry.query += first;
      own_targets_[target++] = entry;
    }
  }
  for (std::size_t r = 0; r < bytes_.size(); ++r) {
    const Rank rank(static_cast<std::int32_t>(r));
    bytes_[r] = sizeof(QueryTarget) * (target_begin_[shard_.placement.end_part(rank).index()] -
                                       target_begin_[shard_.placement.first_part(rank).index()]);
  }
  comm_.all_gather(std::as_bytes(own_targets_.span().first(target)),
                   std::as_writable_bytes(targets_.span().first(target_begin_.back())), bytes_);
}

void QueryExchange::gather_vectors(std::span<const PartQueries> own) {
  std::uint64_t query = 0;
  for (const PartQueries& part : own)
    for (std::size_t i = 0; i < part.queries.rows; ++i, ++query) {
      float* to = own_queries_.data() + query * width_;
      std::memcpy(to, part.queries.row(i), dim_ * sizeof(float));
      if (width_ > dim_) std::memcpy(to + dim_, part.sources.row(i), dim_ * sizeof(float));
    }
  for (std::size_t r = 0; r < bytes_.size(); ++r) bytes_[r] = rank_queries(r) * width_ * sizeof(float);
  comm_.all_gather(std::as_bytes(own_queries_.span().first(query * width_)),
                   std::as_writable_bytes(queries_.span().first(query_count() * width_)), bytes_);
}

// ---- statistics

std::span<Statistic> QueryExchange::statistics(std::size_t k) {
  return own_statistics_.span().subspan(k * query_count(), query_count());
}

std::span<const Statistic> QueryExchange::gather_statistics() {
  const std::uint64_t count = query_count();
  for (std::size_t r = 0; r < bytes_.size(); ++r) bytes_[r] = subtrees_[r].size() * count * sizeof(Statistic);
  comm_.all_gather(std::as_bytes(own_statistics_.span().first(own_subtrees().size() * count)),
                   std::as_writable_bytes(statistics_.span().first(all_subtrees_.size() * count)), bytes_);
  share_target_scores();
  return statistics_.span().first(all_subtrees_.size() * count);
}

std::span<const Statistic> QueryExchange::merge(Merge parents) {
  (void)gather_statistics();
  const std::uint64_t count = query_count();
  const auto at = [&](std::size_t k) { return statistics_.data() + k * count; };
  const auto into_left = [&](Statistic* left, const Statistic* right) {
    for (std::uint64_t i = 0; i < count; ++i) left[i] = parents(left[i], right[i]);
    return left;
  };
  const Statistic* root = reduce_tree<Statistic*>({0, shard_.manifest.part_count()}, all_subtrees_, at, into_left);
  return {root, count};
}

// A rank sends the scores of the targets that it owns, in the order of targets(), which all ranks know.
void QueryExchange::share_target_scores() {
  const auto list = targets();
  const auto owner = [&](const QueryTarget& target) {
    return static_cast<std::size_t>(shard_.owner_rank(EntityId(target.entity)).value());
  };
  std::fill(bytes_.begin(), bytes_.end(), 0);
  std::uint64_t own = 0;
  for (std::size_t e = 0; e < list.size(); ++e) {
    const std::size_t rank = owner(list[e]);
    bytes_[rank] += sizeof(float);
    if (rank == self_) packed_scores_[own++] = target_scores_[e];
  }
  comm_.all_gather(std::as_bytes(packed_scores_.span().first(own)),
                   std::as_writable_bytes(all_scores_.span().first(list.size())), bytes_);
  std::uint64_t before = 0;
  for (std::uint64_t& bytes : bytes_) before += std::exchange(bytes, before);  // now: where each rank's scores start
  for (std::size_t e = 0; e < list.size(); ++e) {
    std::uint64_t& at = bytes_[owner(list[e])];
    target_scores_[e] = all_scores_[at / sizeof(float)];
    at += sizeof(float);
  }
}

// ---- gradients back

Matrix QueryExchange::subtree_gradients(std::size_t k) {
  return {gradients_.data() + k * query_count() * width_, query_count(), width_, width_};
}

void QueryExchange::begin_return() {
  transfers_.clear();
  const std::uint64_t own = rank_queries(self_) * width_;
  std::uint64_t at = 0;
  for (std::size_t r = 0; r < subtrees_.size(); ++r) {
    if (r == self_) continue;
    for (std::size_t k = 0; k < subtrees_[r].size(); ++k, at += own)
      if (own > 0)
        transfers_.push_back(comm_.receive(std::as_writable_bytes(received_.span().subspan(at, own)),
                                           Rank(static_cast<std::int32_t>(r)), kReturnTag + static_cast<int>(k)));
  }
  for (std::size_t r = 0; r < subtrees_.size(); ++r) {
    const Rank rank(static_cast<std::int32_t>(r));
    const std::uint64_t count = rank_queries(r);
    if (r == self_ || count == 0) continue;
    for (std::size_t k = 0; k < own_subtrees().size(); ++k) {
      const float* rows = subtree_gradients(k).row(query_begin_[shard_.placement.first_part(rank).index()]);
      const auto message = std::as_bytes(std::span(rows, count * width_));
      transfers_.push_back(comm_.send(message, message.size(), rank, kReturnTag + static_cast<int>(k)));
    }
  }
}

ConstMatrix QueryExchange::finish_return(std::size_t own_part) {
  for (comm::Request& transfer : transfers_) transfer.wait();
  transfers_.clear();
  const std::uint32_t part = shard_.parts[own_part].id().value();
  const Matrix out{returned_.data(), query_begin_[part + 1] - query_begin_[part], width_, width_};
  add_node({0, shard_.manifest.part_count()}, own_part, 0, out);
  return out;
}

// out = the sum over the parts of `node` for the queries of one owned part.
void QueryExchange::add_node(PartRange node, std::size_t own_part, std::size_t level, Matrix out) {
  const auto found = std::find(all_subtrees_.begin(), all_subtrees_.end(), node);
  const std::uint64_t first = query_begin_[shard_.parts[own_part].id().index()];
  if (found == all_subtrees_.end()) {
    const std::uint32_t middle = split_point(node);
    add_node({node.first, middle}, own_part, level + 1, out);
    const Matrix right{sums_.data() + level * most_queries_ * width_, out.rows, width_, width_};
    add_node({middle, node.end}, own_part, level + 1, right);
    for (std::size_t i = 0; i < out.rows * width_; ++i) out.data[i] += right.data[i];
    return;
  }
  const auto k = static_cast<std::size_t>(found - all_subtrees_.begin());
  const std::size_t own_first = first_subtree_[self_];
  const std::size_t own_count = own_subtrees().size();
  const float* from = nullptr;
  if (k >= own_first && k < own_first + own_count) {
    from = subtree_gradients(k - own_first).row(first);
  } else {
    const std::size_t index = k < own_first ? k : k - own_count;  // among the received ones
    const std::uint64_t rank_first = query_begin_[shard_.parts.front().id().index()];
    from = received_.data() + (index * rank_queries(self_) + first - rank_first) * width_;
  }
  std::memcpy(out.data, from, out.rows * width_ * sizeof(float));
}

}  // namespace tessera::exchange

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/query_order.hpp"

#include "comm/agreement.hpp"
#include "evaluate/detail/triple_hash.hpp"
#include "search/query_vectors.hpp"

#include <algorithm>
#include <span>

namespace tessera::evaluate::detail {
namespace {

std::uint64_t hash_of(const OwnQuery& query, std::uint64_t relations) {
  return triple_hash(query.query.source, query.query.relation, query.target, relations);
}

}  // namespace

QueryOrder::QueryOrder(const search::Ranks& setup, graph::Split split, std::uint64_t max_triples)
    : setup_(setup), split_(split), part_offsets_(1, 0) {
  for (const graph::Part& part : setup.shard.parts)
    part_offsets_.push_back(part_offsets_.back() + part.queries(split).size());
  rank_offsets_ = search::offsets_by_rank(setup.comm, part_offsets_.back());
  if (max_triples > 0 && size() > 2 * max_triples) select(max_triples);
}

QueryOrder::QueryOrder(const search::Ranks& setup, std::span<const Triple> triples) : setup_(setup) {
  const auto relations = static_cast<std::uint32_t>(setup.shard.manifest.relation_count);
  const auto is_own = [&](EntityId source) { return setup.shard.owner_rank(source) == setup.comm.rank(); };
  listed_.emplace();
  for (const Triple& triple : triples) {
    if (is_own(triple.head)) listed_->push_back({{triple.head, triple.relation}, triple.tail});
    const RelationId inverse(triple.relation.value() + relations);
    if (is_own(triple.tail)) listed_->push_back({{triple.tail, inverse}, triple.head});
  }
  rank_offsets_ = search::offsets_by_rank(setup.comm, listed_->size());
}

void QueryOrder::select(std::uint64_t max_triples) {
  const std::uint64_t relations = setup_.shard.manifest.relation_count;
  const std::uint64_t most = threshold(max_triples);
  std::uint64_t count = 0;
  const auto is_chosen = [&](const OwnQuery& query) { return hash_of(query, relations) <= most; };
  for_each_own([&](std::uint64_t, const OwnQuery& query) { count += is_chosen(query) ? 1 : 0; });
  comm::together(setup_.comm,
                 [&] { selected_ = setup_.host.allocate<std::uint64_t>(memory::Tag::kEvaluation, count); });
  std::size_t next = 0;
  for_each_own([&](std::uint64_t i, const OwnQuery& query) {
    if (is_chosen(query)) selected_[next++] = i;
  });
  is_sample_ = true;
  rank_offsets_ = search::offsets_by_rank(setup_.comm, count);
}

/// The max_triples-th smallest hash over all ranks, found 16 bits at a time from the top.
std::uint64_t QueryOrder::threshold(std::uint64_t max_triples) const {
  constexpr unsigned kDigit = 16;
  const std::uint64_t relations = setup_.shard.manifest.relation_count;
  std::vector<std::int64_t> histogram(std::size_t{1} << kDigit);
  std::uint64_t prefix = 0;
  auto wanted = static_cast<std::int64_t>(max_triples);
  for (unsigned shift = 64 - kDigit;; shift -= kDigit) {
    std::fill(histogram.begin(), histogram.end(), 0);
    for_each_own([&](std::uint64_t, const OwnQuery& query) {
      if (query.query.relation.value() >= relations) return;  // each triple once
      const std::uint64_t digits = hash_of(query, relations) >> shift;
      if (digits >> kDigit == prefix) ++histogram[digits & ((1U << kDigit) - 1)];
    });
    setup_.comm.all_reduce(histogram, comm::Reduction::kSum);
    std::size_t digit = 0;
    for (; digit + 1 < histogram.size() && histogram[digit] < wanted; ++digit) wanted -= histogram[digit];
    prefix = prefix << kDigit | digit;
    if (shift == 0) return prefix;
  }
}

OwnQuery QueryOrder::own(std::uint64_t i) const {
  return listed_ ? (*listed_)[i] : at(place(is_sample_ ? selected_[i] : i));
}

QueryOrder::Place QueryOrder::place(std::uint64_t i) const {
  const auto next = std::upper_bound(part_offsets_.begin(), part_offsets_.end(), i);
  const auto part = static_cast<std::size_t>(next - part_offsets_.begin() - 1);
  return {part, i - part_offsets_[part]};
}

OwnQuery QueryOrder::at(Place place) const {
  const graph::Part& part = setup_.shard.parts[place.part];
  const Query query = part.queries(split_).query(place.position);
  return {{EntityId(part.first_entity().value() + query.source.value()), query.relation}, query.target};
}

template <class Visit>
void QueryOrder::for_each_own(const Visit& visit) const {
  for (std::uint64_t i = 0; i < part_offsets_.back(); ++i) visit(i, at(place(i)));
}

}  // namespace tessera::evaluate::detail

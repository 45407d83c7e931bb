// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/detail/triple_resamples.hpp"

#include "core/parallel.hpp"
#include "evaluate/detail/triple_hash.hpp"

#include <algorithm>
#include <array>
#include <limits>

namespace tessera::evaluate::detail {
namespace {

constexpr std::size_t kPerDraw = 8;  // resamples per call of the generator

bool same_triple(const StoredQuery& a, const StoredQuery& b) {
  return a.head == b.head && a.relation == b.relation && a.tail == b.tail;
}

std::array<double, kPerDraw> resample(const std::vector<TripleSum>& triples, std::uint64_t group) {
  std::array<double, kPerDraw> queries{};
  std::array<double, kPerDraw> values{};
  for (const TripleSum& triple : triples) {
    const auto counts = Bootstrap::draw(triple.stream, group);
    for (std::size_t i = 0; i < kPerDraw; ++i) {
      queries.at(i) += counts.at(i) * triple.queries;
      values.at(i) += counts.at(i) * triple.value;
    }
  }
  for (std::size_t i = 0; i < kPerDraw; ++i) values.at(i) /= queries.at(i);  // 0 / 0 of an empty one
  return values;
}

}  // namespace

void add_query(std::vector<TripleSum>& triples, const StoredQuery& query, double value, std::uint64_t seed) {
  constexpr auto kPlain = std::numeric_limits<std::uint64_t>::max();  // no relation is an inverse here
  if (triples.empty() || !same_triple(triples.back().first, query)) {
    const std::uint64_t hash =
        triple_hash(EntityId(query.head), RelationId(query.relation), EntityId(query.tail), kPlain);
    triples.push_back({Bootstrap::stream_of(seed, hash), 0, 0, query});
  }
  triples.back().queries += 1;
  triples.back().value += value;
}

std::vector<double> resampled(const std::vector<TripleSum>& triples, std::uint64_t resamples, std::size_t threads) {
  const std::size_t groups = (resamples + kPerDraw - 1) / kPerDraw;
  std::vector<double> out(groups * kPerDraw);
  parallel_for(groups, threads, [&](std::size_t group) {
    const auto eight = resample(triples, group);
    std::copy(eight.begin(), eight.end(), out.begin() + static_cast<std::ptrdiff_t>(group * kPerDraw));
  });
  out.resize(resamples);
  return out;
}

}  // namespace tessera::evaluate::detail

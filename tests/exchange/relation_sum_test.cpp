// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Sums of relation gradients over parts, against sums by hand in the fixed tree.

#include "exchange/tree/relation_sum.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/random.hpp"
#include "exchange/tree/query_relations.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>
#include <span>
#include <vector>

namespace tessera::exchange {
namespace {

using execution::HostThreads;
using kernels::Space;

constexpr std::size_t kCols = 3;
constexpr std::uint64_t kQueries = 9;  // most of a part

// The relations of each part's queries, fewer in some parts, and a gradient for each distinct one.
struct Leaves {
  std::vector<std::vector<std::uint32_t>> relations;
  std::vector<std::map<std::uint32_t, std::vector<float>>> gradients;
  Leaves(std::uint32_t parts, std::uint32_t directed) : relations(parts), gradients(parts) {
    const RandomStream stream(5, Purpose::kInit, 0, 0);
    for (std::uint32_t p = 0; p < parts; ++p) {
      for (std::uint64_t i = 0; i < (p % 3 == 1 ? 0 : kQueries - p % 4); ++i)
        relations[p].push_back(static_cast<std::uint32_t>(stream.below(100 * p + i, directed)));
      for (const std::uint32_t id : std::set<std::uint32_t>(relations[p].begin(), relations[p].end()))
        for (std::size_t k = 0; k < kCols; ++k)
          gradients[p][id].push_back(static_cast<float>(stream.uniform(10000 * p + 10 * id + k) * 1e3 - 500));
    }
  }
  [[nodiscard]] std::map<std::uint32_t, std::vector<float>> sum(PartRange node) const {
    if (node.size() == 1) return gradients[node.first];
    auto left = sum({node.first, split_point(node)});
    for (const auto& [id, row] : sum({split_point(node), node.end})) {
      const auto [at, added] = left.emplace(id, row);
      if (added) continue;
      for (std::size_t k = 0; k < row.size(); ++k) at->second[k] += row[k];
    }
    return left;
  }
};

// One rank's part of it: from the relations of its queries to the sum over all parts.
class Sums {
 public:
  Sums(comm::Communicator& comm, const test::StoredGraph& stored, const Leaves& leaves, HostThreads::Cut cut)
      : leaves_(leaves),
        shard_(stored.load(comm.rank(), comm.size(), pool_)),
        executor_(pool_, kernels::cpu_backend(), HostThreads(2, cut)),
        memory_(executor_, 100),
        transport_(comm),
        queries_(shard_.manifest.part_count(), kQueries),
        known_(comm, shard_, queries_, pool_),
        draw_(shard_, queries_, pool_),
        words_{RelationSumDraw<Space::kHost>::words(shard_, queries_)},
        ring_(executor_, pool_, words_[0], 1),
        sum_(executor_, memory_, shard_, comm.size() > 1 ? &transport_ : nullptr,
             {queries_, 2 * shard_.manifest.relation_count, kCols}) {}

  /// What gather() returned.
  std::uint64_t gather(std::uint64_t failed) {
    std::vector<std::uint64_t> counts;
    for (const auto& relations : leaves_.relations) counts.push_back(relations.size());
    std::vector<std::span<const std::uint32_t>> own;
    for (const graph::Part& part : shard_.parts) own.emplace_back(leaves_.relations[part.id().index()]);
    return known_.gather(own, counts, failed);
  }
  std::map<std::uint32_t, std::vector<float>> sum() {
    std::vector<std::vector<std::uint32_t>> distinct;
    std::vector<float> rows;
    for (const graph::Part& part : shard_.parts) {
      distinct.emplace_back();
      for (const auto& [id, row] : leaves_.gradients[part.id().index()]) {
        distinct.back().push_back(id);
        rows.insert(rows.end(), row.begin(), row.end());
      }
    }
    const std::vector<std::span<const std::uint32_t>> of_parts(distinct.begin(), distinct.end());
    RelationSumLists<Space::kHost> lists;
    ring_.begin(0, words_);
    draw_.put({known_.relations(), known_.query_begin(), of_parts}, ring_.writer(0), lists);
    const auto result = sum_.sum(lists, {rows.data(), rows.size() / kCols, kCols, kCols});
    std::map<std::uint32_t, std::vector<float>> out;
    for (std::size_t i = 0; i < result.ids.size(); ++i)
      out[result.ids[i]] = std::vector<float>(result.rows.row(i), result.rows.row(i) + kCols);
    return out;
  }

 private:
  memory::Pool pool_{std::uint64_t{4} << 20U};
  const Leaves& leaves_;
  graph::Shard shard_;
  execution::HostExecutor executor_;
  execution::StepMemory<Space::kHost> memory_;
  comm::HostTransport transport_;
  std::vector<std::uint64_t> queries_;
  QueryRelations known_;
  RelationSumDraw<Space::kHost> draw_;
  std::vector<std::uint64_t> words_;
  execution::ListRing<Space::kHost> ring_;
  RelationSum<Space::kHost> sum_;
};

TEST(RelationSum, HasTheSameBitsOnAnyNumberOfRanks) {
  for (const std::uint32_t parts : {1U, 2U, 5U, 8U, 13U}) {
    const test::StoredGraph stored(test::random_graph({}), parts);
    const Leaves leaves(parts, 8);
    const auto expected = leaves.sum({0, parts});
    for (const std::int32_t ranks : {1, 2, 3, 4, 7}) {
      if (static_cast<std::uint32_t>(ranks) > parts) continue;
      for (const auto cut : {HostThreads::Cut::kBlocks, HostThreads::Cut::kNone})
        comm::run_ranks(ranks, [&](comm::Communicator& comm) {
          Sums sums(comm, stored, leaves, cut);
          EXPECT_EQ(sums.gather(QueryRelations::kNone), QueryRelations::kNone);
          EXPECT_EQ(sums.sum(), expected) << parts << " parts, " << ranks << " ranks";
          EXPECT_EQ(sums.sum(), expected) << "again";
        });
    }
  }
}

// Whatever a rank knows of a step that failed, all know afterwards.
TEST(QueryRelations, TellTheFirstStepThatFailed) {
  const test::StoredGraph stored(test::random_graph({}), 5);
  const Leaves leaves(5, 8);
  comm::run_ranks(3, [&](comm::Communicator& comm) {
    Sums sums(comm, stored, leaves, HostThreads::Cut::kBlocks);
    const std::uint64_t own = comm.is_root() ? QueryRelations::kNone : 40 - comm.rank().value();
    EXPECT_EQ(sums.gather(own), 38U);
  });
}

}  // namespace
}  // namespace tessera::exchange

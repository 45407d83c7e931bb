// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "train/rounds/round_graphs.hpp"

#include "comm/thread/thread_communicator.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <map>
#include <mutex>
#include <set>
#include <tuple>
#include <vector>

namespace tessera::train {
namespace {

using graph::Split;

constexpr std::uint32_t kParts = 12;

// A query in ids of the whole graph, by round.
using Visits = std::map<std::tuple<std::uint64_t, std::uint32_t, std::uint64_t>, std::vector<std::size_t>>;

class RoundGraphsOfRanks : public testing::Test {
 protected:
  // The whole graph's entity behind an entity of a round.
  static std::uint64_t entity(const RoundGraphs& graphs, std::size_t round, const graph::PartitionManifest& of_round,
                              const graph::PartitionManifest& whole, EntityId id) {
    const PartId slot = of_round.owner(id);
    return whole.offsets[graphs.order().part(round, slot.value()).index()] + id.value() -
           of_round.offsets[slot.index()];
  }

  Visits visit(std::int32_t ranks, std::uint32_t resident, std::uint32_t epoch) {
    Visits visits;
    std::mutex mutex;
    comm::run_ranks(ranks, [&](comm::Communicator& comm) {
      memory::Pool pool(std::uint64_t{64} << 20U);
      const graph::Shard shard = stored_.load(comm.rank(), comm.size(), pool);
      const std::uint64_t before = pool.used_bytes();
      RoundGraphs graphs({comm, shard, stored_.partition_folder(), resident, 3, 2, pool});
      graphs.begin_epoch(epoch);
      for (std::size_t round = 0; round < graphs.order().rounds(); ++round) {
        const graph::Shard of_round = graphs.make(round);
        std::uint64_t queries = 0;
        for (const graph::Part& part : of_round.parts) {
          EXPECT_EQ(part.queries(Split::kTrain).size(), of_round.manifest.figures[part.id().index()].queries);
          queries += part.queries(Split::kTrain).size();
          part.queries(Split::kTrain).for_each_chunk([&](RelationId relation, auto sources, auto targets) {
            const std::scoped_lock lock(mutex);
            for (std::size_t i = 0; i < sources.size(); ++i)
              visits[{entity(graphs, round, of_round.manifest, shard.manifest,
                             EntityId(part.first_entity().value() + sources[i])),
                      relation.value(), entity(graphs, round, of_round.manifest, shard.manifest, EntityId(targets[i]))}]
                  .push_back(round);
          });
        }
        EXPECT_EQ(comm.reduce(static_cast<std::int64_t>(queries), comm::Reduction::kSum),
                  static_cast<std::int64_t>(of_round.manifest.query_count()));
      }
      EXPECT_GT(pool.used_bytes(), before);  // the parts of the last round
    });
    return visits;
  }

  test::StoredGraph stored_{test::random_graph({400, 5, 3000, 20, 20}), kParts};
};

TEST_F(RoundGraphsOfRanks, EveryQueryComesOnceWhoeverMakesTheRounds) {
  for (const std::uint32_t resident : {4U, 6U, 8U}) {
    const Visits one = visit(1, resident, 0);
    EXPECT_EQ(one.size(), 2 * stored_.graph().split(Split::kTrain).size());
    for (const auto& [query, rounds] : one) EXPECT_EQ(rounds.size(), 1U);
    EXPECT_EQ(visit(2, resident, 0), one);
    EXPECT_EQ(visit(3, resident, 0), one);
    EXPECT_NE(visit(1, resident, 1), one);
  }
}

TEST_F(RoundGraphsOfRanks, QueriesAreThoseOfTheGraph) {
  Visits expected;
  for (const Triple& triple : stored_.graph().split(Split::kTrain)) {
    const std::uint64_t head = stored_.global_id(triple.head.value()).value();
    const std::uint64_t tail = stored_.global_id(triple.tail.value()).value();
    expected[{head, triple.relation.value(), tail}] = {};
    expected[{tail, triple.relation.value() + 5, head}] = {};
  }
  Visits found = visit(2, 4, 2);
  for (auto& [query, rounds] : found) rounds.clear();
  EXPECT_EQ(found, expected);
}

}  // namespace
}  // namespace tessera::train

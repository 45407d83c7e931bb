// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "comm/agreement.hpp"
#include "core/random.hpp"
#include "evaluate_run.hpp"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <string>
#include <tuple>
#include <vector>

namespace tessera::test {
namespace {

using evaluate::RankedQuery;
using graph::Split;

const StoredGraph& shared_graph() {
  static const StoredGraph stored(random_graph({.entities = 60, .relations = 3, .train = 400, .valid = 50, .test = 60}),
                                  9);
  return stored;
}

/// A file of candidates, and what it says by (source, directed relation, target) in global ids.
class Candidates {
 public:
  Candidates() {
    std::ofstream out(file(), std::ios::binary);
    out << "# head, relation, tail, end that is asked for, candidates\n\n";
    const RandomStream stream(4, Purpose::kInit);
    std::uint64_t draw = 0;
    const auto relations = static_cast<std::uint32_t>(shared_graph().graph().relations);
    for (const Split split : {Split::kTest, Split::kValid}) {  // those of another split do no harm
      for (const Triple& triple : shared_graph().graph().split(split)) {
        for (const bool asks_head : {false, true}) {
          const EntityId head = shared_graph().global_id(triple.head.value());
          const EntityId tail = shared_graph().global_id(triple.tail.value());
          auto& list =
              lists_[{asks_head ? tail : head, RelationId(triple.relation.value() + (asks_head ? relations : 0)),
                      asks_head ? head : tail}];
          out << entity_name(triple.head.value()) << '\t' << relation_name(triple.relation.value()) << '\t'
              << entity_name(triple.tail.value()) << '\t' << (asks_head ? "head" : "tail");
          const std::uint64_t count =
              1 + stream.below(draw++, 40);  // known answers and the target among them, and twice
          for (std::uint64_t i = 0; i < count; ++i) {
            const std::uint64_t original = stream.below(draw++, shared_graph().graph().entities);
            list.push_back(shared_graph().global_id(original));
            out << '\t' << entity_name(original);
          }
          out << (asks_head ? "\r\n" : "\n");
        }
      }
    }
  }
  [[nodiscard]] std::filesystem::path file() const { return folder_.path() / "candidates.tsv"; }
  [[nodiscard]] const std::vector<EntityId>& of(const RankedQuery& query) const {
    return lists_.at({query.source, query.relation, query.target});
  }

 private:
  TemporaryFolder folder_;
  std::map<std::tuple<EntityId, RelationId, EntityId>, std::vector<EntityId>> lists_;
};

EvaluateCase among(const std::filesystem::path& file, std::int32_t ranks) {
  EvaluateCase how;
  how.ranks = ranks;
  how.options.block_queries = 16;
  how.options.candidates = {file, shared_graph().folder(), shared_graph().partition_folder()};
  return how;
}

TEST(CandidatesTest, EqualsTheOracleOnAnyNumberOfRanks) {
  const Candidates candidates;
  const BruteForce oracle(shared_graph(), {});
  std::string digest;
  for (const std::int32_t ranks : {1, 2, 3, 7}) {
    const Evaluated result = evaluate_on_ranks(shared_graph(), {}, among(candidates.file(), ranks));
    EXPECT_EQ(result.queries.size(), 120U);
    for (const RankedQuery& query : result.queries) {
      const auto expected =
          oracle.rank_among(query.source, query.relation, query.target, graph::kSplits, candidates.of(query));
      EXPECT_EQ((BruteForce::Counts{query.n_greater, query.n_equal, query.candidates}), expected);
    }
    if (ranks == 1) digest = result.metrics.rank_digest;
    EXPECT_EQ(result.metrics.rank_digest, digest);
  }
  const Evaluated exact = evaluate_on_ranks(shared_graph(), {}, {});
  EXPECT_NE(exact.metrics.rank_digest, digest);
}

TEST(CandidatesTest, ListsOfAllEntitiesGiveTheExactFigure) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "all.tsv";
  std::ofstream out(file);
  for (const Triple& triple : shared_graph().graph().split(Split::kTest)) {
    for (const char* asked : {"head", "tail"}) {
      out << entity_name(triple.head.value()) << '\t' << relation_name(triple.relation.value()) << '\t'
          << entity_name(triple.tail.value()) << '\t' << asked;
      for (std::uint64_t e = 0; e < shared_graph().graph().entities; ++e) out << '\t' << entity_name(e);
      out << '\n';
    }
  }
  out.close();
  const Evaluated listed = evaluate_on_ranks(shared_graph(), {}, among(file, 3));
  const Evaluated exact = evaluate_on_ranks(shared_graph(), {}, {});
  EXPECT_EQ(listed.metrics.rank_digest, exact.metrics.rank_digest);
  EXPECT_EQ(listed.metrics.all, exact.metrics.all);
}

/// The error that all ranks throw for this content.
void expect_refused(const std::string& content, ExitStatus status, const std::string& says) {
  const TemporaryFolder folder;
  const std::filesystem::path file = folder.path() / "bad.tsv";
  if (status != ExitStatus::kMissingInput) std::ofstream(file, std::ios::binary) << content;
  for (const std::int32_t ranks : {1, 3}) {
    try {
      evaluate_on_ranks(shared_graph(), {}, among(file, ranks));
      ADD_FAILURE() << "no error: " << says;
    } catch (const comm::AgreedError& error) {
      EXPECT_EQ(error.status(), status) << error.what();
      EXPECT_NE(std::string(error.what()).find(says), std::string::npos) << error.what();
    }
  }
}

TEST(CandidatesTest, BadFilesAreNamed) {
  const Triple triple = shared_graph().graph().split(Split::kTest).front();
  const std::string line = entity_name(triple.head.value()) + "\t" + relation_name(triple.relation.value()) + "\t" +
                           entity_name(triple.tail.value()) + "\ttail";
  expect_refused("", ExitStatus::kMissingInput, "bad.tsv' does not exist");
  expect_refused("", ExitStatus::kBadData, "has no candidates for the ");
  expect_refused("# nothing\n" + line + "\te000001\n", ExitStatus::kBadData, "has no candidates for the ");
  expect_refused("e000001\tr0000\n", ExitStatus::kBadData, "bad.tsv:1: 2 columns");
  expect_refused(line + "\n", ExitStatus::kBadData, "bad.tsv:1: no candidates");
  expect_refused("\n" + line + "\te000001\t\n", ExitStatus::kBadData, "bad.tsv:2: an empty name");
  expect_refused(line + "s\te000001\n", ExitStatus::kBadData, "the fourth column is 'tails'");
  expect_refused(line + "\te000001\n" + line + "\te000002\n", ExitStatus::kBadData,
                 "bad.tsv:2: line 1 lists candidates for the same triple and end");
  expect_refused(line + "\te000001\n\n" + line + "\tzzz\taaa\n", ExitStatus::kBadData, "bad.tsv:3: entity '");
  expect_refused("e000001\tnothing\te000002\ttail\te000003\n", ExitStatus::kBadData,
                 "relation 'nothing' is not in the graph");
  expect_refused(line + "\te\xFF\n", ExitStatus::kBadData, "bad.tsv:1: not UTF-8");
}

}  // namespace
}  // namespace tessera::test

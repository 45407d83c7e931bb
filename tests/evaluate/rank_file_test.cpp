// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "evaluate/rank_file.hpp"

#include "checkpoint/checkpoint.hpp"
#include "comm/agreement.hpp"
#include "evaluate_run.hpp"
#include "storage/checksum.hpp"
#include "storage/hdf5.hpp"
#include "support/search_on_host.hpp"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <string>

namespace tessera::test {
namespace {

using graph::Split;
using storage::FileReader;

constexpr std::uint64_t kEpoch = 7;

const StoredGraph& shared_graph() {
  static const StoredGraph stored(random_graph({.entities = 50, .relations = 3, .train = 300, .valid = 40, .test = 40}),
                                  7);
  return stored;
}

/// Saves a checkpoint when asked and writes the evaluation of `how` into the run folder; the metrics of rank 0.
evaluate::Evaluation write_on_ranks(const StoredGraph& stored, const ModelValues& values, const EvaluateCase& how,
                                    bool with_checkpoint = false) {
  evaluate::Evaluation result;
  comm::run_ranks(how.ranks, [&](comm::Communicator& comm) {
    memory::Pool pool(how.budget_bytes);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    model::Parameters parameters(shard, values.job(), model::StateShape::kNone, pool);
    fill(values, shard, parameters);
    if (with_checkpoint)
      checkpoint::CheckpointStore(stored.run_folder())
          .save(comm, shard, parameters, {.epoch = kEpoch, .best_epoch = kEpoch});
    execution::HostExecutor host(pool, *how.backend, execution::HostThreads(how.threads));
    const search::Setup setup{{comm, shard, host}, parameters};
    evaluate::Evaluator evaluator(setup, how.options, how.ranker);
    auto evaluation = evaluate::evaluate_to_file(
        evaluator, setup, how.split, {stored.run_folder(), stored.partition_folder(), kEpoch, {.resamples = 100}});
    if (comm.is_root()) result = std::move(evaluation);
  });
  return result;
}

FileReader open_result(const StoredGraph& stored, Split split) {
  return FileReader::open_verified(stored.run_folder() / evaluate::rank_file_name(split), "evaluation", 2);
}

TEST(RankFileTest, HoldsEveryQueryInIdsOfTheGraph) {
  EvaluateCase how;
  how.ranks = 3;
  how.options.block_queries = 16;
  const evaluate::Evaluation evaluation = write_on_ranks(shared_graph(), {}, how);
  const evaluate::Metrics& metrics = evaluation.metrics;
  const FileReader file = open_result(shared_graph(), Split::kTest);
  const auto head = file.read<std::uint64_t>("/queries/head");
  const auto relation = file.read<std::uint32_t>("/queries/relation");
  const auto tail = file.read<std::uint64_t>("/queries/tail");
  const auto side = file.read<std::uint8_t>("/queries/side");
  const auto n_greater = file.read<std::uint32_t>("/queries/n_greater");
  const auto n_equal = file.read<std::uint32_t>("/queries/n_equal");
  const auto candidates = file.read<std::uint32_t>("/queries/candidates");
  const auto target_degree = file.read<std::uint32_t>("/queries/target_degree");
  const auto unseen = file.read<std::uint8_t>("/queries/unseen");

  const Evaluated expected = evaluate_on_ranks(shared_graph(), {}, {});
  ASSERT_EQ(head.size(), expected.queries.size());
  for (std::size_t i = 0; i < head.size(); ++i) {
    const evaluate::RankedQuery& query = expected.queries[i];
    EXPECT_EQ(side[i], query.relation.value() >= 3 ? 1 : 0);
    EXPECT_EQ(relation[i], query.relation.value() % 3);
    EXPECT_EQ(side[i] == 0 ? head[i] : tail[i], shared_graph().original_id(query.source));
    EXPECT_EQ(side[i] == 0 ? tail[i] : head[i], shared_graph().original_id(query.target));
    EXPECT_EQ(n_greater[i], query.n_greater);
    EXPECT_EQ(n_equal[i], query.n_equal);
    EXPECT_EQ(candidates[i], query.candidates);
    EXPECT_EQ(target_degree[i], query.target_degree);
    EXPECT_EQ(unseen[i], query.unseen ? 1 : 0);
  }
  EXPECT_EQ(file.real("/metrics/all", "realistic_mrr"), metrics.mrr());
  EXPECT_EQ(file.real("/metrics/head", "pessimistic_mean_rank"),
            metrics.head[evaluate::TieRule::kPessimistic].mean_rank);
  EXPECT_EQ(file.integer("/metrics/tail", "queries"), metrics.triples());
  EXPECT_EQ(file.real("/metrics/all", "bootstrap_mrr_low"), evaluation.mrr_interval.low);
  EXPECT_EQ(file.integer("/metrics/all", "bootstrap_resamples"), 100U);
  EXPECT_EQ(file.string("/", "candidate_set"), "all entities");
  EXPECT_EQ(file.integer("/", "epoch"), kEpoch);
  EXPECT_EQ(file.string("/", "filter"), "train, valid, test");
  EXPECT_EQ(file.string("/", "split"), "test");
  EXPECT_EQ(file.string("/", "rank_digest"), metrics.rank_digest);
  std::vector<std::uint32_t> pairs;
  for (std::size_t i = 0; i < head.size(); ++i) pairs.insert(pairs.end(), {n_greater[i], n_equal[i]});
  EXPECT_EQ(storage::hash_values<std::uint32_t>(pairs).hex(), metrics.rank_digest);
}

/// Checksums of all columns of the tables.
std::string column_digests(const FileReader& file) {
  std::string digests;
  for (const char* table : {"/queries", "/by_relation", "/by_class", "/by_degree"})
    for (const std::string& column : file.children(table))
      digests += file.string(fmt::format("{}/{}", table, column), "xxh3_128") + " ";
  return digests;
}

TEST(RankFileTest, HasTheSameBitsOnAnyNumberOfRanksAndThreads) {
  std::string expected;
  evaluate::Evaluation first;
  for (const std::int32_t ranks : {1, 2, 3, 4, 7}) {
    EvaluateCase how;
    how.ranks = ranks;
    how.threads = ranks % 2 == 0 ? 3 : 1;
    how.options.block_queries = 11 * static_cast<std::uint64_t>(ranks);
    how.split = Split::kValid;
    const evaluate::Evaluation result = write_on_ranks(shared_graph(), {}, how);  // replaces the file before
    const std::string digests = column_digests(open_result(shared_graph(), Split::kValid));
    if (ranks == 1) expected = digests;
    if (ranks == 1) first = result;
    EXPECT_EQ(digests, expected) << ranks << " ranks";
    EXPECT_EQ(result.mrr_interval, first.mrr_interval) << ranks << " ranks";
    EXPECT_EQ(result.groups.by, first.groups.by) << ranks << " ranks";
  }
}

TEST(RankFileTest, HasTheSameBitsWhereverCandidatesAreCounted) {
  const auto digests_of = [](std::int32_t ranks, const search::MakeRanker& ranker) {
    EvaluateCase how;
    how.ranks = ranks;
    how.ranker = ranker;
    how.options.block_queries = 16;
    (void)write_on_ranks(shared_graph(), {}, how);
    return column_digests(open_result(shared_graph(), Split::kTest));
  };
  const std::string expected = digests_of(1, search::rank_on_host());
  for (const std::int32_t ranks : {1, 3})
    for (const kernels::GridOrder order : {kernels::GridOrder::kForward, kernels::GridOrder::kBackward}) {
      EXPECT_EQ(digests_of(ranks, rank_with({kernels::host_grid_backend(order)}, {7, 11, 0})), expected) << ranks;
      EXPECT_EQ(digests_of(ranks, rank_with({rounded_backend(order)}, {7, 11, 5})), expected) << ranks;
    }
}

TEST(RankFileTest, FailsWithoutLeavingAnything) {
  const StoredGraph stored(random_graph({.entities = 20, .relations = 2, .train = 60, .valid = 0, .test = 10}), 3);
  const auto status_of = [&](const ModelValues& values, Split split) {
    EvaluateCase how;
    how.ranks = 2;
    how.split = split;
    try {
      write_on_ranks(stored, values, how);
    } catch (const comm::AgreedError& error) {
      return error.status();
    }
    return ExitStatus::kDone;
  };
  EXPECT_EQ(status_of({}, Split::kValid), ExitStatus::kBadData);  // an empty split
  ModelValues diverged;
  diverged.relation = [](std::uint64_t, std::size_t) { return std::nanf(""); };
  EXPECT_EQ(status_of(diverged, Split::kTest), ExitStatus::kBadData);
  EXPECT_TRUE(std::filesystem::is_empty(stored.run_folder()));
  std::filesystem::remove(stored.run_folder());
  EXPECT_EQ(status_of({}, Split::kTest), ExitStatus::kMissingInput);
}

TEST(RankFileTest, ADamagedPartIsNamed) {
  const StoredGraph stored(random_graph({.entities = 20, .relations = 2, .train = 60, .valid = 5, .test = 10}), 2);
  std::string message;
  try {
    comm::run_ranks(2, [&](comm::Communicator& comm) {
      memory::Pool pool(16U << 20U);
      const ModelValues values;
      const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
      model::Parameters parameters(shard, values.job(), model::StateShape::kNone, pool);
      execution::HostExecutor host(pool, kernels::reference_backend(), execution::HostThreads(1));
      const search::Setup setup{{comm, shard, host}, parameters};
      evaluate::Evaluator evaluator(setup, {});
      comm.barrier();
      if (comm.rank() == Rank(1))
        std::ofstream(stored.partition_folder() / "part-0001.h5", std::ios::binary | std::ios::app) << 'x';
      comm.barrier();
      evaluate::evaluate_to_file(evaluator, setup, Split::kTest, {stored.run_folder(), stored.partition_folder(), 0});
    });
  } catch (const comm::AgreedError& error) {
    EXPECT_EQ(error.status(), ExitStatus::kBadData);
    message = error.what();
  }
  EXPECT_NE(message.find("part-0001.h5' is damaged"), std::string::npos) << message;
}

/// Exit status of a Python command on the files of the shared graph.
int run_python(const std::string& arguments) {
  const std::string command = std::string(TESSERA_TEST_PYTHON) + " " + arguments;
  const int status = std::system(command.c_str());  // NOLINT(concurrency-mt-unsafe,cert-env33-c): a script of this test
  return WEXITSTATUS(status);
}

int run_oracle() {
  return run_python(fmt::format("'{}' --graph '{}' --parts 7 --run '{}'", TESSERA_TEST_ORACLE,
                                shared_graph().folder().string(), shared_graph().run_folder().string()));
}

/// Runs the numpy oracle over the files of one scorer.
void expect_oracle_agrees(const ModelValues& values) {
  EvaluateCase how;
  how.ranks = 2;
  how.backend = &kernels::cpu_backend();
  write_on_ranks(shared_graph(), values, how, true);
  const int status = run_oracle();
  if (status == 77) GTEST_SKIP() << "numpy or h5py is missing";
  EXPECT_EQ(status, 0) << values.scorer;
}

TEST(OracleTest, NumpyNoticesAWrongCount) {
  write_on_ranks(shared_graph(), {}, {}, true);
  if (run_oracle() == 77) GTEST_SKIP() << "numpy or h5py is missing";
  const std::string file = (shared_graph().run_folder() / "evaluation-test.h5").string();
  for (const char* column :
       {"queries/n_greater", "queries/n_equal", "queries/candidates", "queries/target_degree", "queries/unseen",
        "queries/side", "by_relation/class", "by_class/queries", "by_degree/first_degree"}) {
    const std::string change =
        fmt::format("-c 'import h5py, numpy; h5py.File(\"{}\", \"r+\")[\"{}\"][1] ^= numpy.uint8(1)'", file, column);
    EXPECT_EQ(run_python(change), 0);
    EXPECT_EQ(run_oracle(), 1) << column;
    EXPECT_EQ(run_python(change), 0);
  }
  EXPECT_EQ(run_oracle(), 0);
}

class ScorerOracleTest : public testing::TestWithParam<const char*> {};

TEST_P(ScorerOracleTest, NumpyAgreesInDoublePrecision) {
  expect_oracle_agrees({.scorer = GetParam(), .dim = 16, .entity = normals(1), .relation = normals(2)});
}

TEST_P(ScorerOracleTest, NumpyAgreesOnTies) { expect_oracle_agrees({.scorer = GetParam(), .dim = 6}); }

INSTANTIATE_TEST_SUITE_P(All, ScorerOracleTest, testing::Values("transe_l1", "transe_l2", "distmult", "complex"));

}  // namespace
}  // namespace tessera::test

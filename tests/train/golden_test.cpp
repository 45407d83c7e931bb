// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Parameters and losses of small runs, as golden.tsv keeps them: a change of the program must not move a bit of them,
// and no number of ranks or threads may. Columns of the table:
//   case
//   settings   what the case changes of base_job() and base_graph()
//   libm       whether the digest goes through functions of libm: "none", "double" or "float" (libm_of)
//   digest     of the parameters after the last epoch, with optimiser state and average
//   losses     of each epoch, as the 64 bits of the double in hexadecimal digits
//
// Another machine's libm may round the last bit of exp, log, sin, cos or pow differently. Losses are sums of logarithms
// in double precision, so their last digits may then differ. Digests are of floats: with the last bit of every such
// double moved, no digest of the table changed; with that of every such float, those marked "float" did and no others.
// A table for other bits is written by
//   TESSERA_GOLDEN_UPDATE=new.tsv OMP_WAIT_POLICY=passive build/release/bin/train_golden_test
// and copied over tests/train/golden.tsv. A line with "-" in the last three columns is a new case.

#include "checkpoint/checkpoint.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/config.hpp"
#include "core/job.hpp"
#include "support/graph_fixture.hpp"
#include "train/engine.hpp"
#include "train/loop/job_rules.hpp"

#include <fmt/format.h>
#include <fmt/ranges.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

namespace tessera {
namespace {

constexpr std::uint32_t kParts = 5;
constexpr std::uint32_t kEpochs = 2;
constexpr std::uint64_t kPoolBytes = std::uint64_t{256} << 20U;
constexpr const char* kUpdate = "TESSERA_GOLDEN_UPDATE";

Job base_job() {
  Job job;
  job.model.dim = 12;
  job.model.init = "uniform";  // "normal" needs libm
  job.model.init_scale = 0.3;
  job.train.batch_size = 96;
  job.negatives.count = 40;
  job.regulariser.name = "n3";
  job.regulariser.weight = 0.01;
  return job;
}

test::GraphSpec base_graph() { return {.train = 150}; }

struct Outcome {
  std::string digest;
  std::string losses;
  bool operator==(const Outcome&) const = default;
};
std::ostream& operator<<(std::ostream& out, const Outcome& outcome) {
  return out << outcome.digest << ", losses " << outcome.losses;
}

struct Row {
  std::string name;
  std::string settings;
  std::string libm;
  Outcome outcome;
};
std::ostream& operator<<(std::ostream& out, const Row& row) { return out << row.name << ": " << row.settings; }

std::vector<std::string> table_lines() {
  std::vector<std::string> lines;
  std::ifstream in(TESSERA_TEST_GOLDEN);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

bool is_case(const std::string& line) { return !line.empty() && line.front() != '#'; }

Row to_row(const std::string& line) {
  std::istringstream in(line);
  Row row;
  for (std::string* column : {&row.name, &row.settings, &row.libm, &row.outcome.digest, &row.outcome.losses})
    std::getline(in, *column, '\t');
  return row;
}

std::string to_line(const Row& row) {
  return fmt::format("{}\t{}\t{}\t{}\t{}", row.name, row.settings, row.libm, row.outcome.digest, row.outcome.losses);
}

std::vector<Row> read_table() {
  std::vector<Row> rows;
  for (const std::string& line : table_lines())
    if (is_case(line)) rows.push_back(to_row(line));
  return rows;
}

struct Settings {
  Job job = base_job();
  test::GraphSpec graph = base_graph();
};

Settings to_settings(const std::string& text) {
  std::istringstream in(text);
  std::vector<std::string> overrides;
  for (std::string word; in >> word;) overrides.push_back(word);
  ConfigValues values;
  apply_overrides(values, overrides);
  ConfigReader reader(values);
  Settings settings;
  visit(settings.job, reader);
  reader.integer("graph.entities", settings.graph.entities, {});
  reader.integer("graph.relations", settings.graph.relations, {});
  reader.integer("graph.train", settings.graph.train, {});
  reader.integer("graph.valid", settings.graph.valid, {});
  reader.reject_unknown();
  train::check_fit(settings.job);
  return settings;
}

// Through which functions of libm the digest goes: those of float arguments, those of double arguments whose results
// are rounded to float, or none.
std::string libm_of(const Job& job) {
  if (job.model.name == "rotate" || job.regulariser.name == "ivr" || job.loss.name == "self_adversarial")
    return "float";
  const bool draws_normals = job.model.init == "normal" || job.model.init == "xavier_normal";
  const bool scales_sums = job.loss.name == "softmax" && job.negatives.scope != "all" && job.negatives.unbiased;
  return draws_normals || scales_sums || job.exchange.mode == "queries" ? "double" : "none";
}

// Made once for each shape.
const test::StoredGraph& stored_graph(const test::GraphSpec& spec) {
  static std::map<std::array<std::uint64_t, 4>, std::unique_ptr<test::StoredGraph>> graphs;
  auto& graph = graphs[{spec.entities, spec.relations, spec.train, spec.valid}];
  if (!graph) graph = std::make_unique<test::StoredGraph>(test::random_graph(spec), kParts);
  return *graph;
}

/// What one rank trains, and with what.
struct Trained {
  Trained(comm::Communicator& of, const test::StoredGraph& stored, const Job& trained, std::size_t with)
      : comm(of),
        job(trained),
        threads(with),
        shard(stored.load(of.rank(), of.size(), pool)),
        parameters(shard, job.model, model::state_shape(job.optimiser.name), pool, train::row_memory(shard, job)) {
    if (job.average.decay > 0) parameters.keep_average(shard, job.model, pool);
  }
  comm::Communicator& comm;
  const Job& job;
  std::size_t threads;
  memory::Pool pool{kPoolBytes};
  graph::Shard shard;
  model::Parameters parameters;
};

// The only place that knows how an engine is made.
std::unique_ptr<train::Engine> make_engine(Trained& rank) {
  return train::make_engine({rank.comm, rank.shard, rank.job, rank.parameters, rank.threads, kernels::cpu_backend(),
                             rank.pool, sampling::count_items(rank.comm, rank.shard, rank.job)});
}

// Around the epochs as the trainer does, and as after a validation without improvement where the rate goes by them.
Outcome train_rank(Trained& rank) {
  const auto engine = make_engine(rank);
  rank.parameters.initialise(rank.job.model, rank.job.run.seed);
  std::vector<std::string> losses;
  for (std::uint32_t epoch = 0; epoch < kEpochs; ++epoch) {
    if (epoch > 0 && rank.job.schedule.name == "plateau") engine->optimiser().set_rate_factor(rank.job.schedule.factor);
    losses.push_back(fmt::format("{:016x}", std::bit_cast<std::uint64_t>(engine->run_epoch(epoch))));
    engine->download_parameters();
    if (rank.parameters.average() != nullptr) rank.parameters.update_average(epoch == 0 ? 0 : rank.job.average.decay);
  }
  return {checkpoint::parameter_digest(rank.comm, rank.shard, rank.parameters),
          fmt::format("{}", fmt::join(losses, " "))};
}

Outcome train_on(std::int32_t ranks, std::size_t threads, const Settings& settings) {
  const test::StoredGraph& stored = stored_graph(settings.graph);
  std::vector<Outcome> outcomes(static_cast<std::size_t>(ranks));
  comm::run_ranks(ranks, [&](comm::Communicator& comm) {
    Trained rank(comm, stored, settings.job, threads);
    outcomes[comm.rank().index()] = train_rank(rank);
  });
  for (const Outcome& outcome : outcomes) EXPECT_EQ(outcome, outcomes.front()) << "ranks differ";
  return outcomes.front();
}

class Golden : public testing::TestWithParam<Row> {
 protected:
  // Cases that did not run stay as they are.
  static void TearDownTestSuite() {
    const char* file = std::getenv(kUpdate);
    if (file == nullptr) return;
    const std::vector<std::string> lines = table_lines();
    std::ofstream out(file);
    for (const std::string& line : lines) {
      const auto found = is_case(line) ? updated.find(to_row(line).name) : updated.end();
      out << (found == updated.end() ? line : to_line(found->second)) << '\n';
    }
    out.close();
    EXPECT_TRUE(out) << "writing '" << file << "' failed";
  }
  static std::map<std::string, Row> updated;
};
std::map<std::string, Row> Golden::updated;

TEST_P(Golden, ParametersAndLossesAreThoseOfTheTable) {
  Row row = GetParam();
  const Settings settings = to_settings(row.settings);
  const Outcome alone = train_on(1, 1, settings);
  const std::string libm = libm_of(settings.job);
  if (std::getenv(kUpdate) != nullptr) {
    row.libm = libm;
    row.outcome = alone;
    updated.insert_or_assign(row.name, row);
  }
  EXPECT_EQ(row.libm, libm);
  EXPECT_EQ(alone, row.outcome)
      << "these are not the bits of tests/train/golden.tsv. Either the program has changed what training gives, or "
         "this "
         "machine's libm rounds differently: that may change last digits of losses, and digests of cases marked "
         "'float'. This case is marked '"
      << libm << "'. If the new bits are right, " << kUpdate << "=new.tsv makes this program write a new table.";
  EXPECT_EQ(train_on(1, 2, settings), alone) << "1 rank, 2 threads";
  EXPECT_EQ(train_on(2, 1, settings), alone) << "2 ranks, 1 thread";
  EXPECT_EQ(train_on(3, 2, settings), alone) << "3 ranks, 2 threads";
  EXPECT_EQ(train_on(5, 1, settings), alone) << "5 ranks, 1 thread";
}

INSTANTIATE_TEST_SUITE_P(Table, Golden, testing::ValuesIn(read_table()),
                         [](const auto& tested) { return tested.param.name; });

// How the scores of moved queries are kept is no setting of the model.
TEST(GoldenTable, HasTheSameBitsForScoresKeptAndComputedAgain) {
  std::map<std::string, Row> rows;
  for (const Row& row : read_table()) rows.emplace(row.name, row);
  std::size_t pairs = 0;
  for (const auto& [name, kept] : rows) {
    if (!name.starts_with("QueriesKeep")) continue;
    EXPECT_EQ(rows["QueriesRecompute" + name.substr(std::string("QueriesKeep").size())].outcome, kept.outcome) << name;
    ++pairs;
  }
  EXPECT_GT(pairs, 0U);
}

}  // namespace
}  // namespace tessera

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Runs with scripted validation: the learning rate on a plateau, and the same bits after a stop.

#include "train/loop/trainer.hpp"
#include "checkpoint/checkpoint.hpp"
#include "comm/self/self_communicator.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/job.hpp"
#include "storage/hdf5.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"
#include "train/engine.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <optional>
#include <ostream>
#include <string>
#include <vector>

namespace tessera {
namespace {

// The validation MRR by epoch.
const std::vector<double> kMrr = {0.1, 0.3, 0.2, 0.2, 0.25, 0.2, 0.4, 0.1};

struct Session {
  std::int32_t ranks = 1;
  bool resume = false;
  std::optional<std::uint64_t> stop_after = std::nullopt;  // epoch
  std::uint64_t stop_after_segments = 0;                   // of this session; 0: no stop
};

class TrainerRun : public testing::Test {
 protected:
  TrainerRun() {
    job_.data.graph = stored_.folder().string();
    job_.run.folder = (stored_.run_folder() / "run").string();
    job_.model = {"complex", 8, "normal", 0.3};
    job_.train = {kMrr.size(), 96};
    job_.negatives.count = 20;
    job_.exchange.mode = "rows";
    job_.validate.every = 1;
  }

  train::Outcome run(const Session& session) const {
    train::Outcome outcome;
    comm::run_ranks(session.ranks, [&](comm::Communicator& comm) {
      memory::Pool pool(std::uint64_t{64} << 20U);
      const graph::Shard shard = stored_.load(comm.rank(), comm.size(), pool);
      model::Parameters parameters(shard, job_.model, model::state_shape(job_.optimiser.name), pool,
                                   train::row_memory(shard, job_));
      if (job_.average.decay > 0) parameters.keep_average(shard, job_.model, pool);
      const train::EngineSetup setup{
          comm, shard, job_, parameters, 2, kernels::cpu_backend(), pool, sampling::count_items(comm, shard, job_)};
      const auto engine = train::make_engine(setup);
      const auto positions = checkpoint::CheckpointStore(job_.run.folder).positions();
      comm.barrier();
      memory::Buffer<std::byte> ballast;
      if (ballast_) ballast = pool.allocate<std::byte>(memory::Tag::kRows, pool.free_bytes() - 1024);
      train::Trainer trainer(setup, *engine, session.resume);
      if (comm.is_root()) copy_bytes_ = pool.use(memory::Tag::kCheckpoint).bytes;
      const train::Outcome mine = run_trainer(trainer, session, positions.empty() ? 0 : positions.back().epoch);
      if (comm.is_root()) outcome = mine;
    });
    return outcome;
  }

  [[nodiscard]] std::vector<double> logged(const std::string& column) const {
    return storage::FileReader::open_verified(std::filesystem::path(job_.run.folder) / "metrics.h5", "metrics", 1)
        .read<double>("/epochs/" + column);
  }

  Job job_;
  test::StoredGraph stored_{test::random_graph({}), 4};
  bool device_use_ = false;
  bool ballast_ = false;                  // the pool has no room for a copy of the rows
  mutable std::uint64_t copy_bytes_ = 0;  // of the last run, on rank 0

 private:
  mutable std::uint64_t measurements_ = 0;

  // Validation is a script; the session is asked to stop while it validates.
  train::Outcome run_trainer(train::Trainer& trainer, const Session& session, std::uint64_t epoch) const {
    std::atomic<bool> stop{false};
    train::TrainerHooks hooks;
    hooks.stop = &stop;
    if (device_use_)
      hooks.device_use = [&] {
        ++measurements_;
        return memory::DeviceUse{1000, 1000 + measurements_};
      };
    std::uint64_t calls = 0;
    hooks.device_bytes_sent = [&] {  // asked before and after each segment
      if (++calls == 2 * session.stop_after_segments) stop = true;
      return std::uint64_t{0};
    };
    hooks.validation = [&] {
      const std::uint64_t every = job_.validate.every;
      epoch = std::min((epoch / every + 1) * every, job_.train.epochs);
      if (epoch == session.stop_after) stop = true;
      return train::Validation{kMrr.at(epoch - 1), {{1, 0.25}, {10, 0.5}}};
    };
    return trainer.run(hooks);
  }
};

// A cut after every two validations that are no better: epochs 4 and 6 see the last of them.
TEST_F(TrainerRun, TheRateFallsOnAPlateau) {
  job_.schedule = {"plateau", 1, 0.5, 2};
  run({});
  const std::vector<double> want = {0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025};
  EXPECT_EQ(logged("learning_rate"), want);
}

// What is planned and measured on a device is in the metrics, epoch by epoch, also after another session; without a
// device there is none.
TEST_F(TrainerRun, DeviceMemoryIsRecorded) {
  run({});
  const auto file = [&] {
    return storage::FileReader::open_verified(std::filesystem::path(job_.run.folder) / "metrics.h5", "metrics", 1);
  };
  EXPECT_FALSE(file().has("/epochs/device_planned_bytes"));
  job_.run.folder += "-device";
  job_.train.epochs = 3;
  device_use_ = true;
  run({});
  job_.train.epochs = 4;
  run({.resume = true});
  EXPECT_EQ(file().read<std::uint64_t>("/epochs/device_planned_bytes"), (std::vector<std::uint64_t>(4, 1000)));
  EXPECT_EQ(file().read<std::uint64_t>("/epochs/device_measured_bytes"),
            (std::vector<std::uint64_t>{1001, 1002, 1003, 1004}));
}

// The validation after epoch 3, at the end of the first session, is none of a run that goes on to epoch 8.
TEST_F(TrainerRun, EndingBetweenValidationsChangesNothing) {
  job_.validate.every = 2;
  job_.schedule = {"plateau", 1, 0.5, 2};
  const std::string straight = run({}).parameter_digest;
  const std::vector<double> want = {0.1, 0.1, 0.1, 0.1, 0.1, 0.1, 0.05, 0.05};
  EXPECT_EQ(logged("learning_rate"), want);
  job_.run.folder += "-continued";
  job_.train.epochs = 3;
  run({});
  job_.train.epochs = kMrr.size();
  EXPECT_EQ(run({.resume = true}).parameter_digest, straight);
  EXPECT_EQ(logged("learning_rate"), want);
}

TEST_F(TrainerRun, EndingBetweenValidationsDoesNotStopEarly) {
  job_.validate.every = 2;
  job_.validate.patience = 1;
  job_.train.epochs = 3;
  EXPECT_FALSE(run({}).stopped_early);
  job_.train.epochs = kMrr.size();
  const train::Outcome outcome = run({.resume = true});
  EXPECT_TRUE(outcome.stopped_early);
  EXPECT_EQ(outcome.state.epoch, 4U);
}

TEST_F(TrainerRun, WarmupIsLogged) {
  job_.schedule = {"warmup", 3};
  run({});
  const std::vector<double> rates = logged("learning_rate");
  EXPECT_DOUBLE_EQ(rates[0], 0.1 / 3);
  EXPECT_DOUBLE_EQ(rates[1], 0.2 / 3);
  for (std::size_t epoch = 2; epoch < rates.size(); ++epoch) EXPECT_DOUBLE_EQ(rates[epoch], 0.1);
}

// The entries of all rows of a run, by part.
std::vector<double> values(const model::Parameters& parameters) {
  std::vector<double> all;
  for (const model::PartTable& table : parameters.parts())
    all.insert(all.end(), table.rows.matrix().data, table.rows.matrix().row(table.rows.rows));
  const kernels::Matrix relations = parameters.relations();
  all.insert(all.end(), relations.data, relations.data + relations.rows * relations.cols);
  return all;
}

// What a run of one rank leaves: the rows that training goes on from, and those that evaluation loads.
struct Trained {
  std::vector<double> rows;
  std::vector<double> served;
  std::vector<double> expected_average;
};

Trained train_with_average(const test::StoredGraph& stored, const Job& job) {
  const auto comm = comm::make_self_communicator();
  memory::Pool pool(std::uint64_t{64} << 20U);
  const graph::Shard shard = stored.load(Rank(0), 1, pool);
  model::Parameters parameters(shard, job.model, model::StateShape::kPerElement, pool, train::row_memory(shard, job));
  if (job.average.decay > 0) parameters.keep_average(shard, job.model, pool);
  EXPECT_EQ(pool.use(memory::Tag::kAverage).bytes > 0, job.average.decay > 0);
  const train::EngineSetup setup{*comm, shard, job, parameters, 1, kernels::cpu_backend(), pool, {}};
  const auto engine = train::make_engine(setup);
  train::Trainer trainer(setup, *engine, false);
  Trained trained;
  train::TrainerHooks hooks;
  hooks.validation = [&] {  // after every epoch
    const std::vector<double> rows = values(parameters);
    if (trained.expected_average.empty()) trained.expected_average = rows;
    for (std::size_t i = 0; i < rows.size(); ++i)
      trained.expected_average[i] = job.average.decay * trained.expected_average[i] + (1 - job.average.decay) * rows[i];
    return train::Validation{0.5};
  };
  trainer.run(hooks);
  trained.rows = values(parameters);
  model::Parameters loaded(shard, job.model, model::StateShape::kNone, pool);
  checkpoint::CheckpointStore(job.run.folder).load(job.train.epochs, shard, loaded);
  trained.served = values(loaded);
  EXPECT_EQ(trained.served, values(parameters.served()));
  return trained;
}

// The average starts as the rows of the first epoch. Training does not notice it; evaluation sees nothing else.
TEST_F(TrainerRun, TheAverageFollowsItsFormula) {
  const Trained plain = train_with_average(stored_, job_);
  EXPECT_EQ(plain.served, plain.rows);
  job_.run.folder += "-average";
  job_.average.decay = 0.75;
  const Trained averaged = train_with_average(stored_, job_);
  EXPECT_EQ(averaged.rows, plain.rows);
  EXPECT_NE(averaged.served, averaged.rows);
  for (std::size_t i = 0; i < averaged.served.size(); ++i)
    EXPECT_NEAR(averaged.served[i], averaged.expected_average[i], 1e-6) << i;
}

struct Case {
  const char* name;
  void (*change)(Job&);
};
std::ostream& operator<<(std::ostream& out, const Case& tested) { return out << tested.name; }

class SameBitsAfterAStop : public TrainerRun, public testing::WithParamInterface<Case> {};

TEST_P(SameBitsAfterAStop, OnAnyNumberOfRanks) {
  GetParam().change(job_);
  const train::Outcome whole = run({});
  const std::vector<double> rates = logged("learning_rate");
  for (const std::uint64_t stop : {3, 5}) {
    std::filesystem::remove_all(job_.run.folder);
    EXPECT_TRUE(run({.ranks = 2, .stop_after = stop}).stopped_on_request);
    const train::Outcome continued = run({.ranks = 3, .resume = true});
    EXPECT_EQ(continued.parameter_digest, whole.parameter_digest) << "stopped after epoch " << stop;
    EXPECT_EQ(continued.final_loss, whole.final_loss);
    EXPECT_EQ(continued.state.best_epoch, 7U);
    EXPECT_EQ(logged("learning_rate"), rates);
  }
}

INSTANTIATE_TEST_SUITE_P(Trainer, SameBitsAfterAStop,
                         testing::Values(Case{"Plateau",
                                              [](Job& job) {
                                                job.schedule = {"plateau", 1, 0.5, 2};
                                              }},
                                         Case{"Warmup",
                                              [](Job& job) {
                                                job.schedule = {"warmup", 4.5};
                                              }},
                                         Case{"Adam",
                                              [](Job& job) {
                                                job.optimiser.name = "adam";
                                                job.exchange.mode = "queries";
                                              }},
                                         Case{"TuckERDropoutAverage",
                                              [](Job& job) {
                                                job.model.name = "tucker";
                                                job.model.relation_dim = 3;
                                                job.dropout = {.entity = 0.2, .relation = 0.3};
                                                job.exchange.mode = "queries";
                                                job.average.decay = 0.75;
                                              }},
                                         Case{"Average", [](Job& job) { job.average.decay = 0.75; }},
                                         Case{"Sgd", [](Job& job) { job.optimiser.name = "sgd"; }}),
                         [](const auto& tested) { return std::string(tested.param.name); });

class SameBitsAfterStopsInEpochs : public TrainerRun, public testing::WithParamInterface<Case> {
 protected:
  // Sessions on 1, 2 and 3 ranks in turn, stopped after some segments each, until the run is done.
  train::Outcome run_in_pieces() const {
    const std::vector<std::uint64_t> lengths = {1, 3, 2, 4, 5};
    std::uint64_t within_epochs = 0;
    for (std::size_t i = 0; i < 100; ++i) {
      Session session{.ranks = static_cast<std::int32_t>(1 + i % 3), .resume = i > 0};
      session.stop_after_segments = lengths[i % lengths.size()];
      train::Outcome outcome = run(session);
      if (!outcome.stopped_on_request) {
        EXPECT_GE(within_epochs, 2U);
        return outcome;
      }
      within_epochs += outcome.state.partial.segment > 0 ? 1 : 0;
    }
    return {};
  }
};

TEST_P(SameBitsAfterStopsInEpochs, OnOneTwoAndThreeRanksInTurn) {
  job_.train = {2, 32};
  job_.train.segment_steps = 4;
  GetParam().change(job_);
  const train::Outcome whole = run({});
  const std::vector<double> losses = logged("loss");
  std::filesystem::remove_all(job_.run.folder);
  const train::Outcome continued = run_in_pieces();
  EXPECT_EQ(continued.parameter_digest, whole.parameter_digest);
  EXPECT_EQ(continued.final_loss, whole.final_loss);
  EXPECT_EQ(continued.state.best_epoch, whole.state.best_epoch);
  EXPECT_EQ(logged("loss"), losses);
}

INSTANTIATE_TEST_SUITE_P(Trainer, SameBitsAfterStopsInEpochs,
                         testing::Values(Case{"Rows", [](Job&) {}},
                                         Case{"Stale", [](Job& job) { job.exchange.staleness = 1; }},
                                         Case{"Queries", [](Job& job) { job.exchange.mode = "queries"; }},
                                         Case{"GroupedQueries",
                                              [](Job& job) {
                                                job.exchange.mode = "queries";
                                                job.negatives.scope = "all";
                                                job.train.group_queries = true;
                                              }},
                                         Case{"AdamAverageWarmup",
                                              [](Job& job) {
                                                job.optimiser.name = "adam";
                                                job.average.decay = 0.75;
                                                job.schedule = {"warmup", 1.5};
                                              }}),
                         [](const auto& tested) { return std::string(tested.param.name); });

// Where rows are one step old, the ends of segments are a part of the result, whether the run stops there or not.
TEST_F(TrainerRun, SegmentsChangeStaleRowsAlone) {
  job_.train = {2, 32};
  for (const std::uint64_t staleness : {0, 1}) {
    job_.exchange.staleness = staleness;
    std::vector<std::string> digests;
    for (const std::uint64_t steps : {0, 4, 1000}) {
      job_.train.segment_steps = steps;
      job_.run.folder += "-other";
      digests.push_back(run({.ranks = 2}).parameter_digest);
    }
    EXPECT_EQ(digests[0], digests[2]);
    EXPECT_EQ(digests[0] == digests[1], staleness == 0);
  }
}

// With a duration, checkpoints lie within epochs, too; the newest ones stay.
TEST_F(TrainerRun, CheckpointsGoByTheClock) {
  job_.train = {3, 32};
  job_.train.segment_steps = 4;
  job_.validate.every = 0;
  job_.checkpoint = {"0.000001s", 3};
  const std::uint64_t segments = run({.ranks = 2, .stop_after_segments = 4}).state.partial.segments;
  ASSERT_GT(segments, 4U);
  const auto positions = checkpoint::CheckpointStore(job_.run.folder).positions();
  EXPECT_EQ(positions, (std::vector<checkpoint::Position>{{0, 2}, {0, 3}, {0, 4}}));
}

// Whether checkpoints are written behind the training, or it waits for them, by choice or for lack of memory.
TEST_F(TrainerRun, CheckpointsInTheBackgroundChangeNoBit) {
  job_.train = {2, 32};
  job_.train.segment_steps = 8;
  const auto run_as = [&](const std::string& name) {
    job_.run.folder = (stored_.run_folder() / name).string();
    std::vector<std::string> digests;
    for (const std::int32_t ranks : {1, 3}) {
      std::filesystem::remove_all(job_.run.folder);
      job_.checkpoint.every = "0.000001s";
      EXPECT_TRUE(run({.ranks = ranks, .stop_after_segments = 3}).stopped_on_request);
      job_.checkpoint.every = "0";  // each takes some milliseconds
      digests.push_back(run({.ranks = ranks, .resume = true}).parameter_digest);
      EXPECT_EQ(checkpoint::CheckpointStore(job_.run.folder).epochs().back(), 2U);
    }
    EXPECT_EQ(digests, std::vector<std::string>(2, digests.front()));
    return digests.front();
  };
  const std::string behind = run_as("behind");
  EXPECT_GT(copy_bytes_, 0U);
  job_.checkpoint.background = false;
  EXPECT_EQ(run_as("waits"), behind);
  EXPECT_EQ(copy_bytes_, 0U);
  job_.checkpoint.background = true;
  std::filesystem::remove_all(job_.run.folder);
  ballast_ = true;
  EXPECT_EQ(run_as("no-room"), behind);
  EXPECT_EQ(copy_bytes_, 0U);
}

TEST_F(TrainerRun, FewerEpochsThanBegunAreRefused) {
  job_.train = {3, 32};
  job_.train.segment_steps = 4;
  EXPECT_TRUE(run({.stop_after_segments = 1}).stopped_on_request);
  job_.train.epochs = 0;
  test::expect_error(ExitStatus::kUsage, {"has 1 epochs already", "train.epochs is 0"}, [&] { run({.resume = true}); });
}

}  // namespace
}  // namespace tessera

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Runs with scripted validation: the learning rate on a plateau, and the same bits after a stop.

#include "train/trainer.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/job.hpp"
#include "model/checkpoint.hpp"
#include "storage/hdf5.hpp"
#include "support/graph_fixture.hpp"
#include "train/engine.hpp"

#include <gtest/gtest.h>

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
};

class TrainerRun : public testing::Test {
 protected:
  TrainerRun() {
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
                                   train::halo_rows(shard, job_));
      const auto engine = train::make_engine(
          {comm, shard, job_, parameters, 2, kernels::cpu_backend(), pool, train::count_items(comm, shard, job_)});
      const auto epochs = model::CheckpointStore(job_.run.folder).epochs();
      comm.barrier();
      train::Trainer trainer(comm, shard, job_, parameters, *engine, pool, session.resume);
      const train::Outcome mine = run_trainer(trainer, session, epochs.empty() ? 0 : epochs.back());
      if (comm.rank() == Rank(0)) outcome = mine;
    });
    return outcome;
  }

  [[nodiscard]] std::vector<double> logged(const std::string& column) const {
    return storage::FileReader::open_verified(std::filesystem::path(job_.run.folder) / "metrics.h5", "metrics", 1)
        .read<double>("/epochs/" + column);
  }

  Job job_;
  test::StoredGraph stored_{test::random_graph({}), 4};

 private:
  // Validation is a script; the session is asked to stop while it validates.
  train::Outcome run_trainer(train::Trainer& trainer, const Session& session, std::size_t epoch) const {
    std::atomic<bool> stop{false};
    train::Surroundings surroundings;
    surroundings.stop = &stop;
    surroundings.validation_mrr = [&] {
      if (epoch + 1 == session.stop_after) stop = true;
      return kMrr.at(epoch++);
    };
    return trainer.run(surroundings);
  }
};

// A cut after every two validations that are no better: epochs 4 and 6 see the last of them.
TEST_F(TrainerRun, TheRateFallsOnAPlateau) {
  job_.schedule = {"plateau", 1, 0.5, 2};
  run({});
  const std::vector<double> want = {0.1, 0.1, 0.1, 0.1, 0.05, 0.05, 0.025, 0.025};
  EXPECT_EQ(logged("learning_rate"), want);
}

TEST_F(TrainerRun, WarmupIsLogged) {
  job_.schedule = {"warmup", 3};
  run({});
  const std::vector<double> rates = logged("learning_rate");
  EXPECT_DOUBLE_EQ(rates[0], 0.1 / 3);
  EXPECT_DOUBLE_EQ(rates[1], 0.2 / 3);
  for (std::size_t epoch = 2; epoch < rates.size(); ++epoch) EXPECT_DOUBLE_EQ(rates[epoch], 0.1);
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
                                         Case{"Sgd", [](Job& job) { job.optimiser.name = "sgd"; }}),
                         [](const auto& tested) { return std::string(tested.param.name); });

}  // namespace
}  // namespace tessera

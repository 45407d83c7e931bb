// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The loss of a step in a round, against its formula in double precision: priors of groups that are away.
#include "engine_runs.hpp"
#include "sampling/row_batch.hpp"

#include <gtest/gtest.h>

#include <cmath>

namespace tessera::test {
namespace {

constexpr std::uint32_t kSlots = 4;
constexpr sampling::Round kRound{1000, 9, 2};  // slots 0 and 2 are one group, 1 and 3 the other; each stands for 8

Job job_of_round(const std::string& loss) {
  Job job = small_job();
  job.model.name = "distmult";
  job.train.batch_size = 100000;  // an epoch is a step
  job.negatives.scope = "global";
  job.exchange.mode = "rows";
  job.regulariser.weight = 0;
  job.loss.name = loss;
  return job;
}

/// One rank with all slots of a round, before its first step.
struct RoundRun {
  RoundRun(const StoredGraph& stored, Job of_run, const sampling::Round& round)
      : job(std::move(of_run)),
        shard(stored.load(Rank(0), graph::Placement(kSlots, 1), pool)),
        parameters(shard, job.model, model::state_shape(job.optimiser.name), pool, train::row_memory(shard, job)) {
    train::EngineSetup setup{*comm, shard, job, parameters, 1, kernels::cpu_backend(), pool, {}};
    setup.round = round;
    engine = make_host_engine(setup, EngineKind::kBlocks, {pool, kernels::cpu_backend(), 1});
    parameters.initialise(job.model, job.run.seed);
  }
  [[nodiscard]] const float* row(std::uint64_t entity) const {
    const PartId part = shard.manifest.owner(EntityId(entity));
    return parameters.part(part).rows.matrix().row(entity - shard.manifest.offsets[part.index()]);
  }

  std::unique_ptr<comm::Communicator> comm = comm::make_self_communicator();
  memory::Pool pool{std::uint64_t{1} << 28U};
  Job job;
  graph::Shard shard;
  model::Parameters parameters;
  std::unique_ptr<train::Engine> engine;
};

// log of the sum over the target and the negatives but those that are the target, minus the target's own.
double loss_of_query(const RoundRun& run, const sampling::RowBatch& batch, PartId part, std::size_t i) {
  const auto slot_of = [&](std::uint64_t entity) { return run.shard.manifest.owner(EntityId(entity)).value(); };
  const auto score = [&](std::uint64_t entity) {
    double sum = std::log(slot_of(entity) % 2 == part.value() % 2 ? 1.0 : 8.0);
    const float* source = run.parameters.part(part).rows.matrix().row(batch.source_rows()[i]);
    const float* relation = run.parameters.relations().row(batch.relations()[i]);
    for (std::size_t c = 0; c < run.job.model.dim; ++c) sum += double{source[c]} * relation[c] * run.row(entity)[c];
    return sum;
  };
  const std::uint64_t target = batch.target_entities()[i];
  const double each = static_cast<double>(run.shard.manifest.entity_count) / static_cast<double>(batch.negatives());
  double sum = std::exp(score(target));
  for (const std::uint64_t negative : batch.negative_entities())
    if (negative != target) sum += each * std::exp(score(negative));
  return std::log(sum) - score(target);
}

double loss_by_formula(RoundRun& run) {
  double sum = 0;
  for (const graph::Part& part : run.shard.parts) {
    const std::uint64_t count = part.queries(graph::Split::kTrain).size();
    sampling::ItemOrder items(part, {count, 0, 1}, run.pool);
    sampling::RowBatch batch(run.shard.manifest, part.id(), {count, run.job.negatives.count}, run.pool);
    batch.draw(part, items, {run.job.run.seed, 0, 0, 0, count, sampling::Scope::kGlobal});
    for (std::size_t i = 0; i < count; ++i) sum += loss_of_query(run, batch, part.id(), i);
  }
  return sum / static_cast<double>(run.shard.manifest.query_count());
}

TEST(RoundPriors, LossEqualsTheFormula) {
  const StoredGraph stored(random_graph({}), kSlots);
  RoundRun run(stored, job_of_round("softmax"), kRound);
  const double expected = loss_by_formula(run);
  EXPECT_NEAR(run.engine->run_epoch(0), expected, 1e-5 * expected);
  RoundRun whole(stored, job_of_round("softmax"), {});
  EXPECT_GT(std::abs(whole.engine->run_epoch(0) - expected), 1e-3) << "priors matter";
}

// A margin compares a target with each negative by itself.
TEST(RoundPriors, OtherLossesHaveNone) {
  const StoredGraph stored(random_graph({}), kSlots);
  for (const char* loss : {"margin", "self_adversarial"}) {
    RoundRun in_round(stored, job_of_round(loss), kRound);
    RoundRun whole(stored, job_of_round(loss), {});
    EXPECT_EQ(in_round.engine->run_epoch(0), whole.engine->run_epoch(0)) << loss;
  }
}

}  // namespace
}  // namespace tessera::test

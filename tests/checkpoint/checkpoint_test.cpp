// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Checkpoints: written by some ranks, read by others; whole or not there.

#include "checkpoint/checkpoint.hpp"
#include "comm/self/self_communicator.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/error.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <utility>
#include <vector>

namespace tessera::checkpoint {
namespace {

constexpr std::uint64_t kPoolBytes = std::uint64_t{64} << 20U;
const Job::Model kModel{"complex", 8, "normal", 0.5};

void save(const test::StoredGraph& stored, std::int32_t ranks, RunState state, std::uint64_t seed,
          std::string& digest) {
  comm::run_ranks(ranks, [&](comm::Communicator& comm) {
    memory::Pool pool(kPoolBytes);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    model::Parameters parameters(shard, kModel, model::StateShape::kPerElement, pool);
    parameters.initialise(kModel, seed);
    CheckpointStore(stored.run_folder()).save(comm, shard, parameters, state);
    const std::string mine = parameter_digest(comm, shard, parameters);
    if (comm.is_root()) digest = mine;
  });
}

std::string load(const test::StoredGraph& stored, std::int32_t ranks, std::uint64_t epoch) {
  std::string digest;
  comm::run_ranks(ranks, [&](comm::Communicator& comm) {
    memory::Pool pool(kPoolBytes);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    model::Parameters parameters(shard, kModel, model::StateShape::kPerElement, pool);
    CheckpointStore(stored.run_folder()).load(epoch, shard, parameters);
    const std::string mine = parameter_digest(comm, shard, parameters);
    if (comm.is_root()) digest = mine;
  });
  return digest;
}

enum class Choice { kNewest, kBest };

// The epoch that is chosen and loaded, the same on every rank; 0 when there is none.
std::uint64_t load_chosen(const test::StoredGraph& stored, std::int32_t ranks, Choice choice) {
  std::vector<std::uint64_t> chosen(static_cast<std::size_t>(ranks));
  comm::run_ranks(ranks, [&](comm::Communicator& comm) {
    memory::Pool pool(kPoolBytes);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    model::Parameters parameters(shard, kModel, model::StateShape::kPerElement, pool);
    const CheckpointStore store(stored.run_folder());
    const auto state = choice == Choice::kBest ? store.load_best(comm, shard, parameters)
                                               : store.load_newest(comm, shard, parameters).value_or(RunState{});
    chosen[static_cast<std::size_t>(comm.rank().value())] = state.epoch;
  });
  EXPECT_EQ(chosen, std::vector<std::uint64_t>(chosen.size(), chosen.front()));
  return chosen.front();
}

void flip_byte(const std::filesystem::path& file) {
  std::fstream bytes(file, std::ios::in | std::ios::out | std::ios::binary);
  bytes.seekp(static_cast<std::streamoff>(std::filesystem::file_size(file) / 2));
  bytes.put('\x5a');
}

TEST(Checkpoint, AnyNumberOfRanksReadsIt) {
  const test::StoredGraph stored(test::random_graph({}), 5);
  std::string digest;
  save(stored, 3, {.epoch = 4, .best_epoch = 4, .best_mrr = 0.25, .checks_since_best = 2, .finished = true}, 1, digest);
  for (const std::int32_t ranks : {1, 2, 5}) EXPECT_EQ(load(stored, ranks, 4), digest);
  const RunState state = CheckpointStore(stored.run_folder()).read_state(4);
  EXPECT_EQ(state.best_mrr, 0.25);
  EXPECT_EQ(state.checks_since_best, 2U);
  EXPECT_TRUE(state.finished);
}

// Also the average, which is what a reader without one gets.
TEST(Checkpoint, HoldsTheCore) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  const Job::Model job{"tucker", 6, "normal", 0.5, 3};
  const CheckpointStore store(stored.run_folder());
  comm::run_ranks(2, [&](comm::Communicator& comm) {
    memory::Pool pool(kPoolBytes);
    const graph::Shard shard = stored.load(comm.rank(), comm.size(), pool);
    model::Parameters saved(shard, job, model::StateShape::kPerElement, pool);
    saved.keep_average(shard, job, pool);
    saved.initialise(job, 1);
    saved.update_average(0);
    saved.core().row(1)[2] = 7;
    saved.update_average(0.5);
    saved.core_state().row(2)[1] = 5;
    store.save(comm, shard, saved, {.epoch = 1});

    model::Parameters resumed(shard, job, model::StateShape::kPerElement, pool);
    resumed.keep_average(shard, job, pool);
    store.load(1, shard, resumed);
    EXPECT_EQ(parameter_digest(comm, shard, resumed), parameter_digest(comm, shard, saved));
    EXPECT_EQ(resumed.core().row(1)[2], 7);
    EXPECT_EQ(resumed.core_state().row(2)[1], 5);

    model::Parameters served(shard, job, model::StateShape::kNone, pool);
    store.load(1, shard, served);
    EXPECT_EQ(served.core().row(1)[2], saved.average()->core().row(1)[2]);
    EXPECT_NE(served.core().row(1)[2], 7);
    const std::string before = parameter_digest(comm, shard, served);
    served.core().row(0)[0] += 1;
    EXPECT_NE(parameter_digest(comm, shard, served), before);
  });
}

TEST(Checkpoint, TheBestAndTheNewestAreKept) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  const CheckpointStore store(stored.run_folder());
  std::string digest;
  for (std::uint64_t epoch = 1; epoch <= 5; ++epoch)
    save(stored, 2, {.epoch = epoch, .best_epoch = epoch < 3 ? epoch : 2, .best_mrr = 0.5}, epoch, digest);
  EXPECT_EQ(store.epochs(), (std::vector<std::uint64_t>{2, 5}));
  EXPECT_EQ(load_chosen(stored, 3, Choice::kBest), 2U);
  EXPECT_EQ(load_chosen(stored, 3, Choice::kNewest), 5U);
}

RunState within(std::uint64_t epoch, std::uint64_t segment, std::uint64_t best_epoch = 0) {
  RunState state{.epoch = epoch, .best_epoch = best_epoch, .best_mrr = best_epoch > 0 ? 0.5 : 0};
  state.partial = {segment, 9, {40, 1000, {0.5, 0.25, 1.0 / 3, 4}}, 1.5, 0.5, 77, {}};
  return state;
}

TEST(Checkpoint, APositionNamesItsFolder) {
  for (const auto& [position, name] :
       {std::pair(Position(7), "epoch-000007"), std::pair(Position(7, 123), "epoch-000007-segment-000123"),
        std::pair(Position(1234567, 7654321), "epoch-1234567-segment-7654321")}) {
    EXPECT_EQ(folder_name(position), name);
    EXPECT_EQ(position_of(name), position);
  }
  for (const char* name : {"", "epoch-", "epoch-1-", "epoch-1-segment-", "epoch-1-segment-0", "epoch-1-segment-2x",
                           "epoch-x", "epoch--1", ".epoch-1.tmp", "part-1"})
    EXPECT_FALSE(position_of(name)) << name;
  EXPECT_LT(Position(3), Position(3, 1));
  EXPECT_LT(Position(3, 9), Position(4));
}

TEST(Checkpoint, HoldsTheSumsOfAPartialEpoch) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  std::string digest;
  save(stored, 2, within(2, 3), 1, digest);
  const RunState state = CheckpointStore(stored.run_folder()).read_state({2, 3});
  EXPECT_EQ(state.position(), Position(2, 3));
  EXPECT_EQ(state.partial.segments, 9U);
  EXPECT_EQ(state.partial.sums.steps, 40U);
  EXPECT_EQ(state.partial.sums.terms, 1000U);
  EXPECT_EQ(state.partial.sums.losses, (std::vector<double>{0.5, 0.25, 1.0 / 3, 4}));
  EXPECT_EQ(state.partial.seconds, 1.5);
  EXPECT_EQ(state.partial.bytes_sent, 77U);
}

// It is continued, and never ranked.
TEST(Checkpoint, APartialEpochIsNoModel) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  const CheckpointStore store(stored.run_folder());
  std::string digest;
  save(stored, 2, within(0, 4), 1, digest);
  test::expect_error(ExitStatus::kMissingInput, {"first epoch is not complete", "--resume"},
                     [&] { load_chosen(stored, 2, Choice::kBest); });
  save(stored, 2, {.epoch = 1}, 2, digest);
  EXPECT_EQ(store.positions(), std::vector<Position>{{1}});
  save(stored, 2, within(1, 4), 3, digest);
  save(stored, 2, within(1, 6), 4, digest);
  EXPECT_EQ(store.positions(), (std::vector<Position>{{1}, {1, 6}}));  // no other whole epoch
  EXPECT_EQ(load_chosen(stored, 2, Choice::kBest), 1U);
  EXPECT_EQ(store.best_sound(), 1U);
  save(stored, 2, {.epoch = 2, .best_epoch = 2, .best_mrr = 0.5}, 5, digest);
  save(stored, 2, {.epoch = 3, .best_epoch = 2, .best_mrr = 0.5}, 6, digest);
  save(stored, 2, within(3, 1, 2), 7, digest);
  EXPECT_EQ(store.positions(), (std::vector<Position>{{2}, {3, 1}}));
  EXPECT_EQ(load_chosen(stored, 2, Choice::kBest), 2U);
}

TEST(Checkpoint, AsManyAsAskedForAreKept) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  const CheckpointStore store(stored.run_folder());
  const auto comm = comm::make_self_communicator();
  memory::Pool pool(kPoolBytes);
  const graph::Shard shard = stored.load(Rank(0), 1, pool);
  const model::Parameters parameters(shard, kModel, model::StateShape::kPerElement, pool);
  for (std::uint64_t epoch = 1; epoch <= 5; ++epoch)
    store.save(*comm, shard, parameters, {.epoch = epoch, .best_epoch = 1, .best_mrr = 0.5}, 3);
  EXPECT_EQ(store.epochs(), (std::vector<std::uint64_t>{1, 3, 4, 5}));
  store.save(*comm, shard, parameters, within(3, 2, 1), 2);  // the run went on from epoch 3
  EXPECT_EQ(store.positions(), (std::vector<Position>{{1}, {3}, {3, 2}}));
}

TEST(Checkpoint, ADamagedOneIsPassedOver) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  const CheckpointStore store(stored.run_folder());
  std::string digest;
  EXPECT_EQ(load_chosen(stored, 2, Choice::kNewest), 0U);
  for (std::uint64_t epoch = 2; epoch <= 3; ++epoch)
    save(stored, 2, {.epoch = epoch, .best_epoch = 2, .best_mrr = 0.5}, epoch, digest);
  flip_byte(store.epoch_folder(3) / "part-0003.h5");
  for (const std::int32_t ranks : {1, 2, 3}) EXPECT_EQ(load_chosen(stored, ranks, Choice::kNewest), 2U);
  flip_byte(store.epoch_folder(3) / "manifest.h5");
  EXPECT_EQ(load_chosen(stored, 2, Choice::kNewest), 2U);
  test::expect_error(ExitStatus::kBadData, {"after epoch 3 is damaged", "Whole: after epoch 2"},
                     [&] { load_chosen(stored, 2, Choice::kBest); });
  flip_byte(store.epoch_folder(2) / "part-0000.h5");
  for (const Choice choice : {Choice::kNewest, Choice::kBest})
    test::expect_error(ExitStatus::kBadData, {"no checkpoint", "is whole"}, [&] { load_chosen(stored, 2, choice); });
}

TEST(Checkpoint, TheBestOneIsNeverReplaced) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  const CheckpointStore store(stored.run_folder());
  std::string digest;
  for (std::uint64_t epoch = 2; epoch <= 3; ++epoch)
    save(stored, 2, {.epoch = epoch, .best_epoch = 2, .best_mrr = 0.5}, epoch, digest);
  EXPECT_EQ(store.best_sound(), 2U);
  flip_byte(store.epoch_folder(2) / "part-0001.h5");
  for (const std::int32_t ranks : {1, 3})
    test::expect_error(ExitStatus::kBadData, {"after epoch 2 is damaged", "part-0001.h5", "Whole: after epoch 3"},
                       [&] { load_chosen(stored, ranks, Choice::kBest); });
  test::expect_error(ExitStatus::kBadData, {"Whole: after epoch 3"}, [&] { (void)store.best_sound(); });
}

TEST(Checkpoint, DamagedOrForeignOnesAreRefused) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  std::string digest;
  save(stored, 2, {.epoch = 1}, 1, digest);
  const auto file = CheckpointStore(stored.run_folder()).epoch_folder(1) / "part-0001.h5";
  flip_byte(file);
  try {
    load(stored, 1, 1);
    ADD_FAILURE() << "a damaged checkpoint was loaded";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), ExitStatus::kBadData);
    EXPECT_NE(std::string(error.what()).find("part-0001.h5"), std::string::npos) << error.what();
  }
}

TEST(Checkpoint, WithoutChecksumsItIsNotThere) {
  const test::StoredGraph stored(test::random_graph({}), 4);
  std::string digest;
  save(stored, 1, {.epoch = 1}, 1, digest);
  save(stored, 1, {.epoch = 2, .best_epoch = 1, .best_mrr = 0.1}, 2, digest);
  const CheckpointStore store(stored.run_folder());
  std::filesystem::remove(store.epoch_folder(2) / "checksums.xxh3");
  EXPECT_EQ(store.epochs(), std::vector<std::uint64_t>{1});
}

}  // namespace
}  // namespace tessera::checkpoint

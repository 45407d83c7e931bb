// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Checkpoints that are written while the parameters change; those that cannot be written; files of parts that did not
// change.

#include "checkpoint/saving.hpp"
#include "checkpoint/checkpoint.hpp"
#include "comm/agreement.hpp"
#include "comm/thread/thread_communicator.hpp"
#include "core/error.hpp"
#include "support/graph_fixture.hpp"

#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>

#include <cstring>
#include <filesystem>
#include <memory>
#include <ostream>
#include <string>

namespace tessera::checkpoint {
namespace {

constexpr std::uint64_t kPoolBytes = std::uint64_t{64} << 20U;
const Job::Model kModel{"complex", 8, "normal", 0.5};

struct Case {
  const char* name;
  model::RowMemory rows;
  bool has_average = false;
};
std::ostream& operator<<(std::ostream& out, const Case& tested) { return out << tested.name; }

void overwrite(model::Parameters& parameters) {
  parameters.initialise(kModel, 77);
  for (model::PartTable& table : parameters.parts())
    std::memset(table.state.data, 1, table.state.rows * table.state.stride);
  if (parameters.average() != nullptr) parameters.update_average(0.5);
}

class SavingTest : public testing::Test {
 protected:
  test::StoredGraph stored_{test::random_graph({.entities = 900}), 5};
  CheckpointStore store_{stored_.run_folder()};
};

class SavingOf : public SavingTest, public testing::WithParamInterface<Case> {};

TEST_P(SavingOf, HoldsTheParametersOfItsBeginning) {
  for (const std::int32_t ranks : {1, 3})
    comm::run_ranks(ranks, [&](comm::Communicator& comm) {
      memory::Pool pool(kPoolBytes);
      const graph::Shard shard = stored_.load(comm.rank(), comm.size(), pool);
      model::RowMemory rows = GetParam().rows;
      rows.spare_rows.assign(shard.parts.size(), 7);
      model::Parameters parameters(shard, kModel, model::StateShape::kPerElement, pool, rows);
      if (GetParam().has_average) parameters.keep_average(shard, kModel, pool);
      parameters.initialise(kModel, 1);
      TableCopy copy(parameters, pool);
      EXPECT_TRUE(copy.has_memory());
      EXPECT_EQ(pool.use(memory::Tag::kCheckpoint).bytes, copy.bytes());
      for (const std::uint64_t epoch : {1, 2}) {  // the memory of the copy is used again
        const std::string digest = parameter_digest(comm, shard, parameters);
        const auto saving =
            store_.begin_save(comm, {shard, parameters, {.epoch = epoch}, copy.take(parameters, 2), true}, 1);
        const auto relations = parameters.relations();  // these are written at once
        const std::vector<float> before(relations.data, relations.data + relations.rows * relations.cols);
        overwrite(parameters);
        saving->finish();
        EXPECT_FALSE(saving->is_busy());
        std::copy(before.begin(), before.end(), relations.data);
        model::Parameters loaded(shard, kModel, model::StateShape::kPerElement, pool, rows);
        if (GetParam().has_average) loaded.keep_average(shard, kModel, pool);
        store_.load(epoch, shard, loaded);
        EXPECT_EQ(parameter_digest(comm, shard, loaded), digest);
      }
    });
}

INSTANTIATE_TEST_SUITE_P(Rows, SavingOf,
                         testing::Values(Case{"Fp32", {}}, Case{"Average", {}, true},
                                         Case{"Int8Log8",
                                              {.format = kernels::RowFormat::kInt8,
                                               .state_format = kernels::StateFormat::kLog8,
                                               .hot_fraction = 0.1}}),
                         [](const auto& tested) { return std::string(tested.param.name); });

TEST_F(SavingTest, ACopyThatDoesNotFitTakesNothing) {
  comm::run_ranks(1, [&](comm::Communicator& comm) {
    memory::Pool pool(kPoolBytes);
    const graph::Shard shard = stored_.load(comm.rank(), comm.size(), pool);
    const model::Parameters parameters(shard, kModel, model::StateShape::kPerElement, pool);
    const TableCopy other(parameters, pool);
    const auto ballast = pool.allocate<std::byte>(memory::Tag::kRows, pool.free_bytes() - other.bytes() + 64);
    const TableCopy copy(parameters, pool);
    EXPECT_FALSE(copy.has_memory());
    EXPECT_EQ(copy.bytes(), other.bytes());
    EXPECT_EQ(pool.use(memory::Tag::kCheckpoint).bytes, other.bytes());
  });
}

TEST_F(SavingTest, WhatIsGivenUpLeavesTheOlderOne) {
  comm::run_ranks(2, [&](comm::Communicator& comm) {
    memory::Pool pool(kPoolBytes);
    const graph::Shard shard = stored_.load(comm.rank(), comm.size(), pool);
    const model::Parameters parameters(shard, kModel, model::StateShape::kPerElement, pool);
    store_.save(comm, shard, parameters, {.epoch = 1});
    {
      const auto saving =
          store_.begin_save(comm, {shard, parameters, {.epoch = 2}, parts_to_save(parameters), true}, 1);
      (void)saving->advance();
    }
    comm.barrier();
    EXPECT_TRUE(store_.epochs().front() == 1 || store_.epochs() == std::vector<std::uint64_t>{2});
  });
}

std::uint64_t inode_count(const CheckpointStore& store, std::uint64_t epoch, std::uint32_t part) {
  return std::filesystem::hard_link_count(store.epoch_folder(epoch) / graph::part_file_name(PartId(part)));
}

// It stays when the older checkpoint goes.
TEST_F(SavingTest, AFileOfAPartThatDidNotChangeIsLinked) {
  comm::run_ranks(2, [&](comm::Communicator& comm) {
    memory::Pool pool(kPoolBytes);
    const graph::Shard shard = stored_.load(comm.rank(), comm.size(), pool);
    model::Parameters parameters(shard, kModel, model::StateShape::kPerElement, pool);
    parameters.initialise(kModel, 1);
    std::vector<SavedFile> saved;
    for (std::uint64_t epoch = 1; epoch <= 3; ++epoch) {
      std::vector<PartToSave> parts = parts_to_save(parameters);
      if (epoch == 2) parts.front().unchanged = saved.front();
      if (epoch == 3) parts.front().unchanged = {"/nowhere", saved.front().digest};  // it is written then
      const auto saving = store_.begin_save(comm, {shard, parameters, {.epoch = epoch}, parts}, epoch == 2 ? 2 : 1);
      saving->finish();
      saved = saving->files();
      comm.barrier();
      if (epoch == 2) {
        EXPECT_EQ(inode_count(store_, 2, 0), 2U);
        EXPECT_EQ(inode_count(store_, 2, 1), 1U);
      }
      model::Parameters loaded(shard, kModel, model::StateShape::kPerElement, pool);
      store_.load(epoch, shard, loaded);
      EXPECT_EQ(parameter_digest(comm, shard, loaded), parameter_digest(comm, shard, parameters));
      comm.barrier();
    }
    EXPECT_EQ(inode_count(store_, 3, 0), 1U);
  });
}

// A file system of some hundred KiB, mounted in a mount namespace of this process.
class OnAFullDisk : public SavingTest {
 protected:
  void SetUp() override {
    static const bool apart =
        unshare(CLONE_NEWNS) == 0 && mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0;
    std::filesystem::create_directories(folder_);
    mounted_ = apart && mount("tmpfs", folder_.c_str(), "tmpfs", 0, "size=400k") == 0;
    if (!mounted_) GTEST_SKIP() << "skipped: mounting a small file system needs root: " << std::strerror(errno);
  }
  void TearDown() override {
    if (mounted_) umount2(folder_.c_str(), MNT_DETACH);
  }
  std::filesystem::path folder_ = stored_.run_folder() / kCheckpointsFolder;
  bool mounted_ = false;
};

// All ranks throw alike, in the background and not, and what is half written goes.
TEST_F(OnAFullDisk, AllRanksLearnAboutItAndTheOlderOneStays) {
  const Job::Model small{"complex", 2, "normal", 0.5};
  for (const bool in_background : {false, true})
    comm::run_ranks(3, [&](comm::Communicator& comm) {
      memory::Pool pool(kPoolBytes);
      const graph::Shard shard = stored_.load(comm.rank(), comm.size(), pool);
      const model::Parameters first(shard, small, model::StateShape::kPerElement, pool);
      store_.save(comm, shard, first, {.epoch = 1});
      for (const std::size_t dim : {64, 256, 4096}) {
        Job::Model large = small;
        large.dim = dim;  // the first fits for each rank alone
        const model::Parameters parameters(shard, large, model::StateShape::kPerElement, pool);
        const auto save = [&] {
          const auto saving =
              store_.begin_save(comm, {shard, parameters, {.epoch = 2}, parts_to_save(parameters), in_background}, 1);
          saving->finish();
        };
        try {
          save();
          ADD_FAILURE() << "dim " << dim << " fits";
        } catch (const comm::AgreedError& error) {
          EXPECT_EQ(static_cast<int>(error.status()), static_cast<int>(ExitStatus::kIo)) << error.what();
        }
        comm.barrier();
        EXPECT_EQ(store_.epochs(), std::vector<std::uint64_t>{1});
        model::Parameters loaded(shard, small, model::StateShape::kPerElement, pool);
        EXPECT_EQ(store_.load(1, shard, loaded).epoch, 1U);
        comm.barrier();
      }
    });
}

}  // namespace
}  // namespace tessera::checkpoint

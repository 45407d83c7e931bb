// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Each is one clear message, its exit status, and nothing left behind.
#include "core/error.hpp"
#include "graph/part_file.hpp"
#include "partition/entity_order.hpp"
#include "partition/part_writer.hpp"
#include "partition_fixture.hpp"

#include <gtest/gtest.h>
#include <sys/resource.h>

#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <fstream>
#include <limits>

namespace tessera::test {
namespace {

void expect_refused(const partition::PartitionOptions& options, ExitStatus status,
                    const std::vector<std::string>& words) {
  try {
    partition::partition_graph(options);
    FAIL() << "must throw";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), status) << error.what();
    for (const std::string& word : words)
      EXPECT_NE(std::string(error.what()).find(word), std::string::npos) << error.what();
  }
}

const std::vector<std::string> kGraphAlone = {"checksums.xxh3", "graph.h5"};

class BadInput : public ::testing::Test {
 protected:
  void TearDown() override { EXPECT_EQ(disk_.files(), kGraphAlone); }
  GraphOnDisk disk_{random_graph({})};
};

TEST_F(BadInput, NoParts) { expect_refused(disk_.options("metis", 0), ExitStatus::kUsage, {"0 parts"}); }

TEST_F(BadInput, MorePartsThanEntities) {
  expect_refused(disk_.options("metis", 61), ExitStatus::kUsage, {"60 entities", "61 parts", "data.kg"});
  expect_refused(disk_.options("random", std::uint64_t{1} << 40U), ExitStatus::kUsage, {"60 entities"});
}

TEST_F(BadInput, UnknownMethod) {
  expect_refused(disk_.options("spectral", 2), ExitStatus::kUsage, {"spectral", "metis, stream, random"});
}

TEST_F(BadInput, ImpossibleImbalance) {
  for (const double imbalance : {0.99, 0.0, -1.0, std::nan(""), std::numeric_limits<double>::infinity()}) {
    auto options = disk_.options("metis", 2);
    options.imbalance = imbalance;
    expect_refused(options, ExitStatus::kUsage, {"imbalance"});
  }
}

TEST_F(BadInput, DamagedGraph) {
  std::fstream file(disk_.folder() / "graph.h5", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(3000);
  const int byte = file.peek();
  file.put(static_cast<char>(byte ^ 1));
  file.close();
  expect_refused(disk_.options("metis", 2), ExitStatus::kBadData, {"graph.h5", "checksum"});
}

TEST_F(BadInput, TruncatedGraph) {
  std::filesystem::resize_file(disk_.folder() / "graph.h5", 5000);
  expect_refused(disk_.options("metis", 2), ExitStatus::kBadData, {"graph.h5"});
}

TEST(BadGraph, Missing) {
  partition::PartitionOptions options;
  options.graph = "/nowhere/data.kg";
  expect_refused(options, ExitStatus::kMissingInput, {"/nowhere/data.kg", "tessera import"});
}

TEST(BadGraph, TriplesOutOfOrder) {
  TestGraph graph{4, 2, {}};
  graph.split(graph::Split::kTrain) = {{EntityId(0), RelationId(1), EntityId(1)},
                                       {EntityId(0), RelationId(0), EntityId(1)}};
  const GraphOnDisk disk(graph);
  expect_refused(disk.options("metis", 2), ExitStatus::kBadData, {"graph.h5", "not ordered"});
  EXPECT_EQ(disk.files(), kGraphAlone);
}

TEST(BadGraph, PartitionedAlready) {
  const GraphOnDisk disk(random_graph({}));
  partition::partition_graph(disk.options("random", 2));
  const auto before = storage::hash_file(graph::partition_folder(disk.folder(), 2) / graph::kManifestFile);
  expect_refused(disk.options("random", 2), ExitStatus::kUsage, {"parts-2", "exists already"});
  EXPECT_EQ(storage::hash_file(graph::partition_folder(disk.folder(), 2) / graph::kManifestFile), before);
}

// Files may not grow beyond `bytes`, as on a full disk; ends the process with the status of the error, at once, because
// the HDF5 library crashes at exit when it could not close a file.
[[noreturn]] void partition_with_little_space(const partition::PartitionOptions& options, std::uint64_t bytes) {
  std::signal(SIGXFSZ, SIG_IGN);
  const rlimit limit{bytes, bytes};
  setrlimit(RLIMIT_FSIZE, &limit);
  try {
    partition::partition_graph(options);
  } catch (const Error& error) {
    std::fprintf(stderr, "%s\n", error.what());
    std::_Exit(static_cast<int>(error.status()));
  }
  std::_Exit(0);
}

TEST(FullDisk, IsAnErrorAndLeavesNothing) {
  GraphSpec spec;
  spec.entities = 500;
  spec.train = 5000;
  const GraphOnDisk disk(random_graph(spec));
  for (const std::uint64_t bytes : {4096U, 9000U, 14000U})
    EXPECT_EXIT(partition_with_little_space(disk.options("metis", 3), bytes),
                ::testing::ExitedWithCode(static_cast<int>(ExitStatus::kIo)), "part-0000.h5|manifest.h5|checksums")
        << bytes;
  EXPECT_EQ(disk.files(), kGraphAlone);
}

TEST(FullDisk, SpaceIsEstimatedFromAbove) {
  GraphSpec spec;
  spec.entities = 2000;
  spec.train = 60000;
  const GraphOnDisk disk(random_graph(spec));
  const auto manifest = partition::partition_graph(disk.options("random", 5));
  std::uint64_t bytes = 0;
  for (const auto& entry : std::filesystem::directory_iterator(graph::partition_folder(disk.folder(), 5)))
    bytes += entry.file_size();
  const graph::GraphReader reader(disk.folder());
  const partition::PartAttributes attributes(reader, manifest);
  const std::uint64_t estimate = partition::partition_bytes({reader, manifest, {}, {}, attributes});
  EXPECT_GE(estimate, bytes);
  EXPECT_LE(estimate, bytes + bytes / 4);
}

}  // namespace
}  // namespace tessera::test

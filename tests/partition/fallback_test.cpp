// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// METIS that crashes, is killed, or answers nonsense: a warning, and a sound partition all the same.
#include "core/error.hpp"
#include "graph/shard.hpp"
#include "partition/detail/pipeline.hpp"
#include "partition_fixture.hpp"

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <csignal>

namespace tessera::test {
namespace {

using partition::MetisBody;
using partition::MetisSettings;
using partition::UndirectedGraph;
using Answer = std::span<std::uint32_t>;

struct Failure {
  const char* name;
  MetisBody body;
  const char* warning;
};

class Fallback : public ::testing::TestWithParam<Failure> {};

TEST_P(Fallback, StreamTakesOverWithAWarning) {
  const GraphOnDisk disk(planted_communities(4, 30, 900, 10));
  const LogCapture log;
  const auto manifest = partition::detail::partition_graph(disk.options("metis", 4), GetParam().body);
  EXPECT_NE(log.text(log::Level::kWarning).find(GetParam().warning), std::string::npos)
      << log.text(log::Level::kWarning);
  EXPECT_NE(log.text(log::Level::kWarning).find("streaming partitioner takes its place"), std::string::npos);
  EXPECT_EQ(manifest.method, "stream");
  EXPECT_LT(graph::cut_fraction(manifest.figures), 0.5);
  memory::Pool pool(std::uint64_t{1} << 24U);
  const auto shard =
      graph::load_shard(graph::partition_folder(disk.folder(), 4), Rank(0), graph::Placement(4, 1), pool);
  EXPECT_EQ(shard.manifest.method, "stream");
}

INSTANTIATE_TEST_SUITE_P(
    MetisThat, Fallback,
    ::testing::Values(
        Failure{"Aborts", [](const UndirectedGraph&, const MetisSettings&, Answer) { std::abort(); }, "signal 6"},
        Failure{"IsKilled", [](const UndirectedGraph&, const MetisSettings&, Answer) { std::raise(SIGKILL); },
                "signal 9"},
        Failure{"Exits", [](const UndirectedGraph&, const MetisSettings&, Answer) { _exit(3); }, "status 3"},
        Failure{"Throws",
                [](const UndirectedGraph&, const MetisSettings&, Answer) {
                  fail(ExitStatus::kOverBudget, "no memory left");
                },
                "no memory left"},
        Failure{"LeavesTheRange",
                [](const UndirectedGraph&, const MetisSettings&, Answer answer) {
                  for (std::uint32_t v = 0; v < answer.size(); ++v) answer[v] = v % 5;
                },
                "it put a vertex into part 4 of 4"},
        Failure{"LeavesAPartEmpty",
                [](const UndirectedGraph&, const MetisSettings&, Answer answer) {
                  for (std::uint32_t v = 0; v < answer.size(); ++v) answer[v] = v % 3;
                },
                "it left part 3 of 4 empty"}),
    [](const auto& failure) { return failure.param.name; });

TEST(MetisAnswer, IsRestreamedWhenUnbalanced) {
  const GraphOnDisk disk(planted_communities(4, 50, 2000, 10));
  const LogCapture log;
  const auto manifest = partition::detail::partition_graph(
      disk.options("metis", 4), [](const UndirectedGraph&, const MetisSettings&, Answer answer) {
        std::fill(answer.begin(), answer.end(), 0U);
        for (std::uint32_t part = 1; part < 4; ++part) answer[part] = part;
      });
  EXPECT_NE(log.text(log::Level::kWarning).find("unbalanced"), std::string::npos);
  EXPECT_EQ(manifest.method, "metis");
  EXPECT_LE(graph::row_balance(manifest.figures), 1.10);
  EXPECT_LE(graph::query_balance(manifest.figures), 1.10);
}

TEST(MetisAnswer, IsTakenAsItIsWhenSound) {
  const GraphOnDisk disk(
      training_only(4, 1, {{EntityId(0), RelationId(0), EntityId(1)}, {EntityId(2), RelationId(0), EntityId(3)}}));
  const LogCapture log;
  const auto manifest = partition::detail::partition_graph(
      disk.options("metis", 2), [](const UndirectedGraph& graph, const MetisSettings& settings, Answer answer) {
        if (graph.vertex_count() != 4 || settings.parts != 2) _exit(1);
        answer[0] = answer[1] = 1;
        answer[2] = answer[3] = 0;
      });
  EXPECT_EQ(log.text(log::Level::kWarning), "");
  EXPECT_EQ(parts_of(manifest), (std::vector<std::uint32_t>{1, 1, 0, 0}));
  EXPECT_EQ(graph::cut_fraction(manifest.figures), 0);
}

TEST(Metis, IsNotAskedForOnePart) {
  const GraphOnDisk disk(random_graph({}));
  const LogCapture log;
  const auto manifest = partition::detail::partition_graph(
      disk.options("metis", 1), [](const UndirectedGraph&, const MetisSettings&, Answer) { std::abort(); });
  EXPECT_EQ(log.text(log::Level::kWarning), "");
  EXPECT_EQ(manifest.part_count(), 1U);
}

TEST(Metis, IsNotAskedForMorePartsThanVertices) {
  const GraphOnDisk disk(training_only(9, 1, {{EntityId(2), RelationId(0), EntityId(7)}}));
  const LogCapture log;
  const auto manifest = partition::detail::partition_graph(
      disk.options("metis", 3), [](const UndirectedGraph&, const MetisSettings&, Answer) { std::abort(); });
  EXPECT_NE(log.text(log::Level::kWarning).find("only 2 entities have neighbours"), std::string::npos);
  for (const auto& part : manifest.figures) EXPECT_EQ(part.rows, 3U);
}

TEST(Memory, ChoosesTheMethodAndSaysWhy) {
  const GraphOnDisk disk(planted_communities(4, 500, 500'000, 10));
  auto options = disk.options("auto", 4);
  for (const auto& [memory, method] :
       {std::pair("20MiB", ""), {"40MiB", "stream"}, {"80MiB", "metis"}, {"", "metis"}}) {
    options.memory = memory;
    const LogCapture log;
    if (std::string(method).empty()) {
      EXPECT_THROW(partition::partition_graph(options), Error);
      continue;
    }
    EXPECT_EQ(partition::partition_graph(options).method, method) << memory;
    const std::string said = log.text(log::Level::kInfo);
    EXPECT_NE(said.find(std::string("method: ") + method + "; METIS needs about "), std::string::npos) << said;
    if (!options.memory.empty()) {
      EXPECT_NE(said.find("(--memory)"), std::string::npos) << said;
    }
    std::filesystem::remove_all(graph::partition_folder(disk.folder(), 4));
  }
}

TEST(Memory, RefusesMetisThatDoesNotFit) {
  const GraphOnDisk disk(planted_communities(4, 500, 500'000, 10));
  auto options = disk.options("metis", 4);
  options.memory = "40MiB";
  try {
    partition::partition_graph(options);
    FAIL() << "must throw";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), ExitStatus::kOverBudget);
    for (const char* part : {"METIS needs about ", "40.0 MiB may be used (--memory)", "'stream'"})
      EXPECT_NE(std::string(error.what()).find(part), std::string::npos) << error.what();
  }
  EXPECT_EQ(disk.files(), (std::vector<std::string>{"checksums.xxh3", "graph.h5"}));
}

TEST(Memory, MustBeASizeAboveZero) {
  const GraphOnDisk disk(random_graph({}));
  auto options = disk.options("stream", 2);
  for (const char* memory : {"0", "much", "-1"}) {
    options.memory = memory;
    try {
      partition::partition_graph(options);
      FAIL() << "must throw";
    } catch (const Error& error) {
      EXPECT_EQ(error.status(), ExitStatus::kUsage) << memory;
      EXPECT_NE(std::string(error.what()).find("--memory"), std::string::npos) << error.what();
    }
  }
  options.memory = "900TiB";
  const LogCapture log;
  partition::partition_graph(options);
  EXPECT_NE(log.text(log::Level::kWarning).find("more than this machine has"), std::string::npos);
}

TEST(Metis, SaysWhichBuildCountsFurther) {
  EXPECT_NO_THROW(partition::require_index_width(2'147'483'647, 32));
  EXPECT_NO_THROW(partition::require_index_width(4'000'000'000, 64));
  try {
    partition::require_index_width(2'147'483'648, 32);
    FAIL() << "must throw";
  } catch (const Error& error) {
    EXPECT_EQ(error.status(), ExitStatus::kUsage);
    EXPECT_NE(std::string(error.what()).find("metis+int64"), std::string::npos) << error.what();
    EXPECT_NE(std::string(error.what()).find("2,147,483,648"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace tessera::test

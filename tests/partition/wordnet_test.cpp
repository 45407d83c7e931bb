// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// The promise of the README on a real graph. `bench/` prints the figures.
#include "partition/import/import.hpp"
#include "partition_fixture.hpp"

#include <gtest/gtest.h>

namespace tessera::test {
namespace {

TEST(WordNet, InEightPartsIsHardlyCutAndBalanced) {
  const std::filesystem::path source = "/usr/share/wordnet";
  if (!std::filesystem::exists(source / "data.noun")) GTEST_SKIP() << "no WordNet here (package wordnet-base)";
  const TemporaryFolder folder;
  partition::ImportOptions import;
  import.inputs = {source.string()};
  partition::import_graph(import, folder.path() / "wordnet.kg");
  for (const char* method : {"metis", "stream"}) {
    partition::PartitionOptions options;
    options.graph = folder.path() / "wordnet.kg";
    options.method = method;
    const auto manifest = partition::partition_graph(options);
    EXPECT_EQ(manifest.method, method);
    EXPECT_LE(graph::cut_fraction(manifest.figures), 0.09);
    EXPECT_LE(graph::row_balance(manifest.figures), 1.10);
    EXPECT_LE(graph::query_balance(manifest.figures), 1.10);
    EXPECT_GT(graph::cut_fraction(manifest.random_figures), 0.8);
    std::filesystem::remove_all(graph::partition_folder(options.graph, 8));
  }
}

}  // namespace
}  // namespace tessera::test

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/targets.hpp"
#include "kernels/propagation.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <vector>

namespace tessera::kernels {
namespace {

constexpr std::size_t kNodes = 37;
constexpr std::uint32_t kRelations = 5;

/// A random graph: one node without edges, one with more edges of a relation than are picked at once.
struct Graph {
  std::vector<EdgeLists::Node> nodes{{0, 0}};
  std::vector<EdgeGroup> groups;
  std::vector<std::uint32_t> sources;

  Graph() {
    std::mt19937 draw(3);
    for (std::size_t v = 0; v < kNodes; ++v) {
      for (std::uint32_t r = 0; r < kRelations && v != 4; ++r) {
        const std::uint32_t edges = v == 7 && r == 1 ? 600 : static_cast<std::uint32_t>(draw() % 4);
        if (edges == 0) continue;
        groups.push_back({r, edges});
        for (std::uint32_t e = 0; e < edges; ++e) sources.push_back(static_cast<std::uint32_t>(draw() % kNodes));
      }
      nodes.push_back({groups.size(), sources.size()});
    }
  }
  [[nodiscard]] EdgeLists lists() const { return {nodes, groups, sources}; }
};

std::vector<float> normals(std::size_t count, unsigned seed) {
  std::mt19937 draw(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(count);
  for (float& value : values) value = normal(draw);
  return values;
}

/// What every function gives for a width.
std::vector<float> results_of(const Propagation& kernels, std::size_t dim) {
  const Graph graph;
  const std::vector<float> relations = normals(kRelations * dim, 1);
  std::vector<float> states = normals(kNodes * dim, 2);
  const std::vector<float> matrix = normals(2 * dim * dim, 4);
  const std::vector<float> bias = normals(2 * dim, 5);
  const std::vector<float> scale = normals(dim, 6);
  const std::vector<float> far = normals(dim, 8);
  const std::vector<std::uint32_t> nodes = {7, 4, 0, 36, 11, 12, 13, 2, 9, 30, 31};
  std::vector<std::uint8_t> levels(kNodes, 9);
  for (std::size_t v = 0; v < kNodes; v += 3) levels[v] = static_cast<std::uint8_t>(v % 2);
  std::vector<float> sums(kNodes * dim);
  const Messages messages{graph.lists(), {relations.data(), kRelations, dim, dim}, {states.data(), kNodes, dim}};
  const Panels out{sums.data(), kNodes, dim};
  std::vector<float> all;
  const auto keep = [&](const std::vector<float>& values) { all.insert(all.end(), values.begin(), values.end()); };
  kernels.aggregate(messages, nodes, out);
  keep(sums);
  kernels.aggregate_near(messages, {levels, 0, nullptr}, nodes, out);
  keep(sums);
  kernels.aggregate_near(messages, {levels, 1, far.data()}, nodes, out);
  keep(sums);
  const LinearWeights linear{matrix.data(), bias.data(), 2 * dim, dim};
  kernels.update({linear, scale.data(), bias.data()}, out, nodes, {states.data(), kNodes, dim});
  keep(states);
  std::vector<float> scores(kNodes);
  kernels.score({{matrix.data(), bias.data(), dim, 2 * dim}, bias.data(), 0.5F}, {states.data(), kNodes, dim}, nodes,
                scores);
  keep(scores);
  std::vector<float> mapped(5 * dim);
  kernels.linear(linear, {relations.data(), 2, 2 * dim, 2 * dim}, true, {mapped.data(), 2, dim, dim});
  keep(mapped);
  return all;
}

std::vector<std::uint32_t> bits(const std::vector<float>& values) {
  std::vector<std::uint32_t> out;
  for (const float value : values) out.push_back(std::bit_cast<std::uint32_t>(value));
  return out;
}

TEST(PropagationKernelsTest, EveryInstructionSetGivesTheBitsOfTheReference) {
  for (const std::size_t dim : {16U, 32U, 48U, 64U, 256U}) {
    const auto expected = bits(results_of(reference_propagation(), dim));
    for (const std::int64_t target : cpu::available_targets()) {
      cpu::use_target(target);
      EXPECT_EQ(bits(results_of(cpu_propagation(), dim)), expected) << cpu::target_name(target) << ", dim " << dim;
    }
    cpu::use_target(0);
  }
}

TEST(PropagationKernelsTest, SumsDoNotDependOnTheOrderOfEdges) {
  constexpr std::size_t kDim = 64;
  Graph graph;
  const std::vector<float> relations = normals(kRelations * kDim, 1);
  const std::vector<float> states = normals(kNodes * kDim, 2);
  const std::vector<std::uint32_t> nodes = {7};
  const auto sums = [&] {
    std::vector<float> out(kDim);
    cpu_propagation().aggregate(
        {graph.lists(), {relations.data(), kRelations, kDim, kDim}, {states.data(), kNodes, kDim}}, nodes,
        {out.data(), 1, kDim});
    return bits(out);
  };
  const auto before = sums();
  const auto first = static_cast<std::ptrdiff_t>(graph.nodes[7].first_edge);
  std::uint64_t skipped = 0;
  for (std::uint64_t g = graph.nodes[7].first_group; graph.groups[g].relation != 1; ++g)
    skipped += graph.groups[g].edges;
  const auto begin = graph.sources.begin() + first + static_cast<std::ptrdiff_t>(skipped);
  std::reverse(begin, begin + 600);
  EXPECT_EQ(sums(), before);
}

}  // namespace
}  // namespace tessera::kernels

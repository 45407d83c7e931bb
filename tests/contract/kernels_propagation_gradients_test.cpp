// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/targets.hpp"
#include "kernels/propagation_gradients.hpp"
#include "kernels_propagation_support.hpp"

#include <gtest/gtest.h>

#include <bit>
#include <cstdint>
#include <vector>

namespace tessera::kernels {
namespace {

std::vector<std::uint32_t> bits(const std::vector<float>& values) {
  std::vector<std::uint32_t> out;
  for (const float value : values) out.push_back(std::bit_cast<std::uint32_t>(value));
  return out;
}

/// Everything that the functions of a layer write.
std::vector<float> layer_results(const PropagationGradients& kernels, std::size_t dim) {
  const Graph graph;
  const auto matrix = normals<float>(2 * dim * dim, 4);
  const auto back = transposed(matrix, 2 * dim);
  const auto bias = normals<float>(dim, 5);
  const auto scale = normals<float>(dim, 6);
  const auto before = normals<float>(kNodes * dim, 2);
  auto sums = normals<float>(kNodes * dim, 7);
  std::vector<float> after(kNodes * dim);
  std::vector<float> normal(kNodes * dim);
  std::vector<float> inverse(kNodes);
  const KeptLayer kept{{sums.data(), kNodes, dim}, {normal.data(), kNodes, dim}, inverse.data()};
  kernels.update({{matrix.data(), bias.data(), 2 * dim, dim}, scale.data(), bias.data()}, {before.data(), kNodes, dim},
                 kSome, kept, {after.data(), kNodes, dim});
  auto state_gradients = normals<float>(kNodes * dim, 8);
  std::vector<float> sum_gradients(kNodes * dim);
  auto gradients = normals<float>(2 * dim * dim + 3 * dim, 9);
  kernels.update_back({back.data(),
                       scale.data(),
                       bias.data(),
                       {before.data(), kNodes, dim},
                       kept,
                       {state_gradients.data(), kNodes, dim},
                       {sum_gradients.data(), kNodes, dim},
                       {gradients.data(), gradients.data() + 2 * dim * dim},
                       gradients.data() + 2 * dim * dim + dim,
                       gradients.data() + 2 * dim * dim + 2 * dim},
                      kSome);
  auto relation_gradients = normals<float>(kRelations * dim, 10);
  kernels.messages_back(
      {graph.lists(), {before.data(), kNodes, dim}, {sum_gradients.data(), kNodes, dim}, relation_gradients.data()},
      kSome);
  std::vector<float> all;
  for (const auto* values :
       {&after, &normal, &inverse, &state_gradients, &sum_gradients, &gradients, &relation_gradients})
    all.insert(all.end(), values->begin(), values->end());
  return all;
}

/// Everything that the functions of rows write.
std::vector<float> row_results(const PropagationGradients& kernels, std::size_t dim) {
  const auto matrix = normals<float>(2 * dim * dim, 4);
  const auto back = transposed(matrix, dim);
  const auto bias = normals<float>(2 * dim, 5);
  const auto states = normals<float>(kNodes * dim, 2);
  const std::vector<std::uint32_t> nodes = {7, 4, 7, 0, 36, 11, 36, 36, 2};
  const auto scores = normals<float>(nodes.size(), 3);
  auto state_gradients = normals<float>(kNodes * dim, 8);
  auto gradients = normals<float>(2 * dim * dim + 4 * dim + 1, 9);
  const LinearGradients hidden{gradients.data(), gradients.data() + 2 * dim * dim};
  kernels.score_back({matrix.data(),
                      bias.data(),
                      back.data(),
                      bias.data(),
                      2 * dim,
                      {states.data(), kNodes, dim},
                      scores,
                      {state_gradients.data(), kNodes, dim},
                      hidden,
                      hidden.bias + 2 * dim,
                      hidden.bias + 4 * dim},
                     nodes);
  auto in_gradients = normals<float>(kNodes * dim, 11);
  const auto out = normals<float>(20 * dim * 2, 12);
  kernels.linear_back({back.data(), dim, 2 * dim, 20, states.data(), dim, nullptr, out.data(), 2 * dim,
                       in_gradients.data(), dim, hidden});
  kernels.linear_back(
      {nullptr, dim, 2 * dim, 20, states.data(), dim, bias.data(), out.data(), 0, nullptr, dim, hidden});
  std::vector<float> all;
  for (const auto* values : {&state_gradients, &gradients, &in_gradients})
    all.insert(all.end(), values->begin(), values->end());
  return all;
}

TEST(PropagationGradientsTest, EveryInstructionSetGivesTheBitsOfTheReference) {
  for (const std::size_t dim : {16U, 32U, 48U, 64U, 256U}) {
    const auto layers = bits(layer_results(reference_propagation_gradients(), dim));
    const auto rows = bits(row_results(reference_propagation_gradients(), dim));
    for (const std::int64_t target : cpu::available_targets()) {
      cpu::use_target(target);
      EXPECT_EQ(bits(layer_results(cpu_propagation_gradients(), dim)), layers) << cpu::target_name(target) << dim;
      EXPECT_EQ(bits(row_results(cpu_propagation_gradients(), dim)), rows) << cpu::target_name(target) << dim;
    }
    cpu::use_target(0);
  }
}

TEST(PropagationGradientsTest, AKeptUpdateHasTheBitsOfAnUpdate) {
  constexpr std::size_t kDim = 48;
  const auto matrix = normals<float>(2 * kDim * kDim, 4);
  const auto bias = normals<float>(kDim, 5);
  auto states = normals<float>(kNodes * kDim, 2);
  auto sums = normals<float>(kNodes * kDim, 7);
  auto after = states;
  std::vector<float> normal(kNodes * kDim);
  std::vector<float> inverse(kNodes);
  const LayerWeights layer{{matrix.data(), bias.data(), 2 * kDim, kDim}, bias.data(), bias.data()};
  cpu_propagation_gradients().update(layer, {states.data(), kNodes, kDim}, kSome,
                                     {{sums.data(), kNodes, kDim}, {normal.data(), kNodes, kDim}, inverse.data()},
                                     {after.data(), kNodes, kDim});
  cpu_propagation().update(layer, {sums.data(), kNodes, kDim}, kSome, {states.data(), kNodes, kDim});
  EXPECT_EQ(bits(after), bits(states));
}

}  // namespace
}  // namespace tessera::kernels

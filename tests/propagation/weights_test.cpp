// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "storage/checksum.hpp"
#include "support/expect_error.hpp"
#include "support/graph_fixture.hpp"
#include "ultra_fixture.hpp"

#include <gtest/gtest.h>

#include <limits>

namespace tessera::test {
namespace {

using propagation::take_weights;
using propagation::Tensors;

TEST(WeightsTest, AreTakenByName) {
  const Tensors tensors = random_weights(16, 3, 1);
  const auto weights = take_weights(tensors, "w");
  EXPECT_EQ(weights.dim, 16U);
  EXPECT_EQ(weights.relation_layers.size(), 3U);
  EXPECT_EQ(weights.entity_layers.size(), 3U);
  const auto& linear = tensors.at("entity_model.layers.2.linear.weight");
  EXPECT_EQ(weights.entity_layers[2].linear.matrix[5 * 16 + 3], linear.values[3 * 32 + 5]);
}

TEST(WeightsTest, NamesWhatIsWrong) {
  const Tensors good = random_weights(16, 2, 1);
  const auto refused = [&](std::initializer_list<std::string_view> words, const auto& change) {
    Tensors tensors = good;
    change(tensors);
    expect_error(ExitStatus::kBadData, words, [&] { (void)take_weights(tensors, "w.safetensors"); });
  };
  refused({"w.safetensors", "'entity_model.mlp.0.bias' is missing"},
          [](Tensors& t) { t.erase("entity_model.mlp.0.bias"); });
  refused({"relation_model.layers.0.layer_norm.weight", "no weights of ULTRA"},
          [](Tensors& t) { t.erase("relation_model.layers.0.layer_norm.weight"); });
  refused({"'entity_model.extra' is no part"}, [](Tensors& t) { t["entity_model.extra"] = {{1}, {0.0F}}; });
  refused({"'entity_model.layers.1.linear.bias' has the shape [2, 8]", "is [16]"}, [](Tensors& t) {
    t["entity_model.layers.1.linear.bias"].shape = {2, 8};
  });
  refused({"'entity_model.layers.0.linear.bias' has nan"}, [](Tensors& t) {
    t["entity_model.layers.0.linear.bias"].values[3] = std::numeric_limits<float>::quiet_NaN();
  });
  refused({"PNA"}, [](Tensors& t) { t["relation_model.layers.1.linear.weight"].shape = {16, 13 * 16}; });
  refused({"NBFNet"}, [](Tensors& t) { t["entity_model.layers.0.relation_linear.weight"] = {{1}, {0.0F}}; });
  refused({"20 wide"}, [](Tensors& t) { t["relation_model.layers.0.layer_norm.weight"] = {{20}, {}}; });
}

TEST(WeightsTest, AreTheSameAfterTheFile) {
  const TemporaryFolder folder;
  const Tensors tensors = random_weights(16, 2, 1);
  const auto file = folder.path() / propagation::kUltraFile;
  propagation::write_tensors(file, tensors, "here");
  expect_error(ExitStatus::kMissingInput, {"checksums"}, [&] { (void)propagation::read_tensors(file); });
  auto checksums = storage::FolderChecksums::load(folder.path());
  checksums.record(propagation::kUltraFile);
  checksums.commit();
  const Tensors read = propagation::read_tensors(file);
  ASSERT_EQ(read.size(), tensors.size());
  for (const auto& [name, tensor] : tensors) {
    EXPECT_EQ(read.at(name).shape, tensor.shape) << name;
    EXPECT_EQ(read.at(name).values, tensor.values) << name;
  }
}

}  // namespace
}  // namespace tessera::test

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Answering on a device: the answers of the host, to the last bit.
#include "predict/on_device.hpp"
#include "predict/predict_run.hpp"

#include <gtest/gtest.h>

#include <utility>
#include <vector>

namespace tessera {
namespace {

using kernels::Products;
using predict::KnownAnswers;

TEST(PredictOnDevice, HasTheAnswersOfTheHost) {
  const test::StoredGraph stored(test::random_graph({.entities = 3000, .relations = 1, .train = 6000}), 3);
  auto asked = test::all_questions(stored.graph());
  asked.resize(150);
  const auto questions = test::questions_in(std::move(asked));
  test::ModelValues model;
  model.dim = 100;
  for (const char* scorer : {"complex", "transe_l1", "transe_l2"})
    for (const test::Entry& entity : {test::normals(1), test::small_integers(1)})
      for (const KnownAnswers known : {KnownAnswers::kMark, KnownAnswers::kOmit})
        for (const std::uint64_t k : {1, 10, 1000}) {
          model.scorer = scorer;
          model.entity = entity;
          test::PredictCase how;
          how.backend = &kernels::cpu_backend();
          how.budget_bytes = std::uint64_t{1} << 30U;
          how.options = {.k = k, .known = known};
          const auto expected = test::predictions_of(stored, model, how, questions);
          for (const Products products : {Products::kChain, Products::kFp32, Products::kTf32, Products::kBfloat16}) {
            if (model.scorer != "complex" && products != Products::kChain) continue;  // distances are chains
            for (const std::int32_t ranks : {1, 2})
              for (const std::uint64_t mebibytes : {34, 256}) {  // cuBLAS takes 32: windows of rows, and all of them
                how.ranks = ranks;
                how.answerer = test::on_device(mebibytes << 20U, products);
                EXPECT_TRUE(test::same_bits(test::predictions_of(stored, model, how, questions), expected))
                    << scorer << ", products " << static_cast<int>(products) << ", " << ranks << " ranks, k = " << k
                    << ", " << mebibytes << " MiB";
              }
          }
        }
}

}  // namespace
}  // namespace tessera

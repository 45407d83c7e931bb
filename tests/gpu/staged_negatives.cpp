// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// What steps with sampled negatives and distances need.
#include "gpu/staged_support.hpp"

namespace tessera::kernels::testing::staged {
namespace {

class StagedNegativeLosses final : public NegativeLosses {
 public:
  void weigh(const MarginLoss& of, Matrix scores, std::span<const float> target_scores, std::span<float> losses,
             std::span<float> target_weights) const override {
    weigh_rows(of, scores, target_scores, losses, target_weights);
  }
  void weigh(const SelfAdversarialLoss& of, Matrix scores, std::span<const float> target_scores,
             std::span<float> losses, std::span<float> target_weights) const override {
    weigh_rows(of, scores, target_scores, losses, target_weights);
  }

 private:
  template <class Loss>
  static void weigh_rows(const Loss& of, Matrix scores, std::span<const float> target_scores, std::span<float> losses,
                         std::span<float> target_weights) {
    const Grid weights(scores);
    const Elements target_weight(target_weights);
    through(losses, [&](device::Span<float> loss) {
      on_device().negative_losses.weigh(of, weights.view(), Elements(target_scores).view(), loss, target_weight.view());
    });
    weights.back_to(scores);
    target_weight.back_to(target_weights);
  }
};

class StagedDistances final : public Distances {
 public:
  void to_coefficients(ConstMatrix scores, Matrix weights) const override {
    const Grid result(weights);
    on_device().distances.to_coefficients(Grid(scores).view(), result.view());
    result.back_to(weights);
  }
  void to_queries(Similarity similarity, ConstMatrix weights, ConstMatrix queries, ConstMatrix rows,
                  Matrix out) const override {
    const Grid result(out);
    on_device().distances.to_queries(similarity, Grid(weights).view(), Grid(queries).view(), Grid(rows).view(),
                                     result.view());
    result.back_to(out);
  }
  void to_rows(Similarity similarity, ConstMatrix weights, ConstMatrix queries, ConstMatrix rows,
               Matrix out) const override {
    const Grid result(out);
    on_device().distances.to_rows(similarity, Grid(weights).view(), Grid(queries).view(), Grid(rows).view(),
                                  result.view());
    result.back_to(out);
  }
  void pairs(Similarity similarity, std::span<const float> weights, std::span<const float> scores, ConstMatrix queries,
             ConstMatrix rows, Matrix query_gradients, Matrix row_gradients) const override {
    const Grid of_queries(query_gradients);
    const Grid of_rows(row_gradients);
    on_device().distances.pairs(similarity, Elements(weights).view(), Elements(scores).view(), Grid(queries).view(),
                                Grid(rows).view(), of_queries.view(), of_rows.view());
    of_queries.back_to(query_gradients);
    of_rows.back_to(row_gradients);
  }
};

}  // namespace

const NegativeLosses& negative_losses() {
  static const StagedNegativeLosses instance;
  return instance;
}

const Distances& distances() {
  static const StagedDistances instance;
  return instance;
}

}  // namespace tessera::kernels::testing::staged

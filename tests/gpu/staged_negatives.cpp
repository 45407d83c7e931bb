// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// What steps with sampled negatives and distances need.
#include "gpu/staged_support.hpp"

namespace tessera::kernels::testing::staged {
namespace {

class StagedNegativeLosses final : public NegativeLosses {
 public:
  void weigh(const SampledLoss& of, Matrix scores, const TargetLosses& targets) const override {
    const Grid weights(scores);
    const Elements target_weight(targets.weights);
    through(targets.losses, [&](device::Span<float> loss) {
      on_device().negative_losses.weigh(
          of, weights.view(),
          {Elements(targets.scores).view(), loss, target_weight.view(), {}, Elements(targets.times).view()});
    });
    weights.back_to(scores);
    target_weight.back_to(targets.weights);
  }
};

class StagedDistances final : public Distances {
 public:
  void to_coefficients(ConstMatrix scores, Matrix weights) const override {
    const Grid result(weights);
    on_device().distances.to_coefficients(Grid(scores).view(), result.view());
    result.back_to(weights);
  }
  void to_queries(Similarity similarity, const WeightedScores& of, Matrix out) const override {
    const Grid result(out);
    on_device().distances.to_queries(
        similarity, {Grid(of.weights).view(), Grid(of.queries).view(), Grid(of.rows).view()}, result.view());
    result.back_to(out);
  }
  void to_rows(Similarity similarity, const WeightedScores& of, Matrix out) const override {
    const Grid result(out);
    on_device().distances.to_rows(similarity, {Grid(of.weights).view(), Grid(of.queries).view(), Grid(of.rows).view()},
                                  result.view());
    result.back_to(out);
  }
  void pairs(Similarity similarity, const WeightedPairs& of, Matrix query_gradients,
             Matrix row_gradients) const override {
    const Grid of_queries(query_gradients);
    const Grid of_rows(row_gradients);
    on_device().distances.pairs(
        similarity,
        {Elements(of.weights).view(), Elements(of.scores).view(), Grid(of.queries).view(), Grid(of.rows).view()},
        of_queries.view(), of_rows.view());
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

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/propagation.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/propagation.cpp"
// clang-format off
#include "kernels/cpu/detail/targets.hpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include "kernels/cpu/detail/propagation_inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

constexpr std::size_t kEdgesAhead = 16;

/// Adds kWide panels of a state.
template <std::size_t kWide>
HWY_INLINE void add_states(const float* state, std::size_t stride, Vec<Double>* sums) {
  HWY_UNROLL(2)
  for (std::size_t w = 0; w < kWide; ++w) add_state(state + w * stride, sums + w * kSteps);
}

/// kWide panels at once, so that their states stay near.
template <std::size_t kWide>
HWY_INLINE void aggregate_panels(const Messages& of, std::span<const std::uint32_t> nodes, std::size_t panel,
                                 Panels sums) {
  const EdgeLists::Node* const lists = of.edges.nodes.data();
  const EdgeGroup* const groups = of.edges.groups.data();
  const std::uint32_t* const sources = of.edges.sources.data();
  const std::uint64_t last = of.edges.sources.size() - 1;
  const std::size_t stride = of.states.rows * kPanelColumns;
  const float* const states = of.states.at(panel, 0);
  const float* const relations = of.relations.data + panel * kPanelColumns;
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    Vec<Double> all[kWide * kSteps];
    for (std::size_t w = 0; w < kWide; ++w) clear(all + w * kSteps);
    std::uint64_t edge = lists[nodes[i]].first_edge;
    const std::uint64_t end = lists[nodes[i] + 1].first_group;
    for (std::uint64_t g = lists[nodes[i]].first_group; g < end; ++g) {
      Vec<Double> sum[kWide * kSteps];
      for (std::size_t w = 0; w < kWide; ++w) clear(sum + w * kSteps);
      for (const std::uint64_t group_end = edge + groups[g].edges; edge < group_end; ++edge) {
        const float* ahead = states + sources[std::min(edge + kEdgesAhead, last)] * kPanelColumns;
        for (std::size_t w = 0; w < kWide; ++w) hwy::Prefetch(ahead + w * stride);
        add_states<kWide>(states + sources[edge] * kPanelColumns, stride, sum);
      }
      const float* const relation = relations + groups[g].relation * of.relations.stride;
      for (std::size_t w = 0; w < kWide; ++w)
        add_relation(relation + w * kPanelColumns, sum + w * kSteps, all + w * kSteps);
    }
    for (std::size_t w = 0; w < kWide; ++w) store(all + w * kSteps, sums.at(panel + w, i));
  }
}

void aggregate(const Messages& of, std::span<const std::uint32_t> nodes, Panels sums) {
  constexpr std::size_t kWide = 2;
  std::size_t panel = 0;
  for (; panel + kWide <= sums.count(); panel += kWide) aggregate_panels<kWide>(of, nodes, panel, sums);
  for (; panel < sums.count(); ++panel) aggregate_panels<1>(of, nodes, panel, sums);
}

/// Copies the near ones of some sources; returns how many they are.
HWY_INLINE std::size_t pick_near(const NearSources& near, std::span<const std::uint32_t> sources, std::uint32_t* out) {
  std::size_t count = 0;
  for (const std::uint32_t source : sources) {
    out[count] = source;
    count += near.levels[source] <= near.most ? 1 : 0;
  }
  return count;
}

/// The sources of a group, some at a time.
constexpr std::size_t kPicked = 256;

/// All panels of a destination at once: few states are read.
void aggregate_near(const Messages& of, const NearSources& near, std::span<const std::uint32_t> nodes, Panels sums) {
  const std::size_t panels = sums.count();
  std::uint32_t picked[kPicked];
  Vec<Double> all[kMostStateColumns / kDoubleLanes];
  Vec<Double> sum[kMostStateColumns / kDoubleLanes];
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (std::size_t p = 0; p < panels; ++p) clear(all + p * kSteps);
    std::uint64_t edge = of.edges.nodes[nodes[i]].first_edge;
    for (std::uint64_t g = of.edges.nodes[nodes[i]].first_group; g < of.edges.nodes[nodes[i] + 1].first_group; ++g) {
      const EdgeGroup& group = of.edges.groups[g];
      for (std::size_t p = 0; p < panels; ++p) clear(sum + p * kSteps);
      std::size_t near_count = 0;
      for (std::size_t first = 0; first < group.edges; first += kPicked) {
        const std::size_t some = std::min<std::size_t>(kPicked, group.edges - first);
        const std::size_t count = pick_near(near, of.edges.sources.subspan(edge + first, some), picked);
        for (std::size_t k = 0; k < count; ++k)
          for (std::size_t p = 0; p < panels; ++p) add_state(of.states.at(p, picked[k]), sum + p * kSteps);
        near_count += count;
      }
      edge += group.edges;
      if (near.far_state != nullptr) {
        const auto far = hn::Set(Double(), static_cast<double>(group.edges - near_count));
        for (std::size_t s = 0; s < panels * kSteps; ++s)
          sum[s] = fused_double(far, load_double(near.far_state + s * kDoubleLanes), sum[s]);
      } else if (near_count == 0) {
        continue;
      }
      const float* relation = of.relations.row(group.relation);
      for (std::size_t p = 0; p < panels; ++p)
        add_relation(relation + p * kPanelColumns, sum + p * kSteps, all + p * kSteps);
    }
    for (std::size_t p = 0; p < panels; ++p) store(all + p * kSteps, sums.at(p, i));
  }
}

/// state += relu(norm(y)); the row of the state has its pieces `stride` apart.
HWY_INLINE void norm_row(const LayerWeights& layer, const float* y, float* state, std::size_t stride) {
  const Part16 d;
  const std::size_t cols = layer.linear.outputs;
  const auto width = static_cast<float>(cols);
  Vec<Part16> parts[kParts];
  for (std::size_t p = 0; p < kParts; ++p) parts[p] = hn::Zero(d);
  for (std::size_t c = 0; c < cols; c += kFixedLanes)
    for (std::size_t p = 0; p < kParts; ++p) parts[p] = hn::Add(parts[p], hn::LoadU(d, y + c + p * kPart));
  const Vec<Part16> mean = hn::Set(d, sum_parts(parts) / width);
  for (std::size_t p = 0; p < kParts; ++p) parts[p] = hn::Zero(d);
  for (std::size_t c = 0; c < cols; c += kFixedLanes)
    for (std::size_t p = 0; p < kParts; ++p) {
      const auto off = hn::Sub(hn::LoadU(d, y + c + p * kPart), mean);
      parts[p] = fused(d, off, off, parts[p]);
    }
  const float variance = sum_parts(parts) / width;
  const Vec<Part16> inverse = hn::Set(d, 1.0F / std::sqrt(variance + kNormEpsilon));
  for (std::size_t c = 0; c < cols; c += kFixedLanes)
    for (std::size_t p = 0; p < kParts; ++p) {
      const std::size_t at = c + p * kPart;
      float* const to = state + c / kPanelColumns * stride + p * kPart;
      const auto normal = hn::Mul(hn::Sub(hn::LoadU(d, y + at), mean), inverse);
      const auto moved = fused(d, normal, hn::LoadU(d, layer.scale + at), hn::LoadU(d, layer.shift + at));
      hn::StoreU(hn::Add(relu(d, moved), hn::LoadU(d, to)), d, to);
    }
}

void update(const LayerWeights& layer, ConstPanels sums, std::span<const std::uint32_t> nodes, Panels states) {
  HWY_ALIGN float y[kMapRows * kMostStateColumns];
  MapInputs in{{}, {}, states.rows * kPanelColumns, sums.rows * kPanelColumns, states.count()};
  for (std::size_t i = 0; i < nodes.size(); i += kMapRows) {
    for (std::size_t r = 0; r < kMapRows; ++r) {
      const std::size_t row = std::min(i + r, nodes.size() - 1);
      in.first[r] = states.at(0, nodes[row]);
      in.second[r] = sums.at(0, row);
    }
    map_rows(layer.linear, in, y);
    for (std::size_t r = 0; r < std::min(kMapRows, nodes.size() - i); ++r)
      norm_row(layer, y + r * states.cols, states.at(0, nodes[i + r]), states.rows * kPanelColumns);
  }
}

/// output . relu(hidden)
HWY_INLINE float score_row(const ScoreWeights& weights, const float* hidden) {
  const Part16 d;
  Vec<Part16> parts[kParts];
  for (std::size_t p = 0; p < kParts; ++p) parts[p] = hn::Zero(d);
  for (std::size_t c = 0; c < weights.hidden.outputs; c += kFixedLanes)
    for (std::size_t p = 0; p < kParts; ++p) {
      const std::size_t at = c + p * kPart;
      parts[p] = fused(d, relu(d, hn::LoadU(d, hidden + at)), hn::LoadU(d, weights.output + at), parts[p]);
    }
  return weights.output_bias + sum_parts(parts);
}

void score(const ScoreWeights& weights, ConstPanels states, std::span<const std::uint32_t> nodes, float* scores) {
  HWY_ALIGN float hidden[kMapRows * 2 * kMostStateColumns];
  MapInputs in{{}, {}, states.rows * kPanelColumns, 0, states.count()};
  for (std::size_t i = 0; i < nodes.size(); i += kMapRows) {
    for (std::size_t r = 0; r < kMapRows; ++r)
      in.first[r] = in.second[r] = states.at(0, nodes[std::min(i + r, nodes.size() - 1)]);
    map_rows(weights.hidden, in, hidden);
    for (std::size_t r = 0; r < std::min(kMapRows, nodes.size() - i); ++r)
      scores[nodes[i + r]] = score_row(weights, hidden + r * weights.hidden.outputs);
  }
}

void linear(const LinearWeights& weights, ConstMatrix rows, bool with_relu, Matrix out) {
  HWY_ALIGN float mapped[kMapRows * 2 * kMostStateColumns];
  MapInputs in{{}, {}, kPanelColumns, 0, weights.inputs / kPanelColumns};
  for (std::size_t i = 0; i < rows.rows; i += kMapRows) {
    for (std::size_t r = 0; r < kMapRows; ++r) in.first[r] = in.second[r] = rows.row(std::min(i + r, rows.rows - 1));
    map_rows(weights, in, mapped);
    for (std::size_t r = 0; r < std::min(kMapRows, rows.rows - i); ++r)
      for_columns(weights.outputs, [&](auto d, std::size_t c) HWY_ATTR {
        const auto value = hn::LoadU(d, mapped + r * weights.outputs + c);
        hn::StoreU(with_relu ? relu(d, value) : value, d, out.row(i + r) + c);
      });
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::kernels {
namespace cpu {

HWY_EXPORT(aggregate);
HWY_EXPORT(aggregate_near);
HWY_EXPORT(update);
HWY_EXPORT(score);
HWY_EXPORT(linear);

namespace {

void check_columns(std::size_t columns, std::size_t most) {
  TESSERA_ASSERT(columns > 0 && columns % kPanelColumns == 0 && columns <= most, "columns of states");
}

class CpuPropagation final : public Propagation {
 public:
  void aggregate(const Messages& messages, std::span<const std::uint32_t> nodes, Panels sums) const override {
    check_columns(sums.cols, kMostStateColumns);
    HWY_DYNAMIC_DISPATCH(aggregate)(messages, nodes, sums);
  }
  void aggregate_near(const Messages& messages, const NearSources& near, std::span<const std::uint32_t> nodes,
                      Panels sums) const override {
    check_columns(sums.cols, kMostStateColumns);
    HWY_DYNAMIC_DISPATCH(aggregate_near)(messages, near, nodes, sums);
  }
  void update(const LayerWeights& layer, ConstPanels sums, std::span<const std::uint32_t> nodes,
              Panels states) const override {
    check_columns(states.cols, kMostStateColumns);
    HWY_DYNAMIC_DISPATCH(update)(layer, sums, nodes, states);
  }
  void score(const ScoreWeights& weights, ConstPanels states, std::span<const std::uint32_t> nodes,
             std::span<float> scores) const override {
    check_columns(weights.hidden.outputs, 2 * kMostStateColumns);
    HWY_DYNAMIC_DISPATCH(score)(weights, states, nodes, scores.data());
  }
  void linear(const LinearWeights& weights, ConstMatrix in, bool relu, Matrix out) const override {
    check_columns(weights.inputs, 2 * kMostStateColumns);
    check_columns(weights.outputs, 2 * kMostStateColumns);
    HWY_DYNAMIC_DISPATCH(linear)(weights, in, relu, out);
  }
};

}  // namespace
}  // namespace cpu

const Propagation& cpu_propagation() {
  static const cpu::CpuPropagation instance;
  return instance;
}

}  // namespace tessera::kernels
#endif  // HWY_ONCE

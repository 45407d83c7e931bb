// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/propagation_gradients.hpp"

#include "core/error.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/propagation_gradients.cpp"
// clang-format off
#include "kernels/cpu/detail/targets.hpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include "kernels/cpu/detail/propagation_inl.hpp"
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

constexpr std::size_t kBackRows = 6 * kMapRows;                      // rows whose gradients are made at once
constexpr std::size_t kTileInputs = HWY_TARGET == HWY_AVX2 ? 4 : 8;  // of a matrix of gradients, in registers
constexpr std::size_t kBackAhead = 16;

/// after = before + relu(norm(y)); the pieces of rows are apart.
struct NormRow {
  const float* before;
  float* after;
  float* normal;
  std::size_t state_stride;
  std::size_t normal_stride;
};

/// Returns the inverse of the deviation.
HWY_INLINE float norm_row(const LayerWeights& layer, const float* y, const NormRow& row) {
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
  const float inverse = 1.0F / std::sqrt(sum_parts(parts) / width + kNormEpsilon);
  for (std::size_t c = 0; c < cols; c += kFixedLanes)
    for (std::size_t p = 0; p < kParts; ++p) {
      const std::size_t at = c + p * kPart;
      const std::size_t state = c / kPanelColumns * row.state_stride + p * kPart;
      const auto normal = hn::Mul(hn::Sub(hn::LoadU(d, y + at), mean), hn::Set(d, inverse));
      hn::StoreU(normal, d, row.normal + c / kPanelColumns * row.normal_stride + p * kPart);
      const auto moved = fused(d, normal, hn::LoadU(d, layer.scale + at), hn::LoadU(d, layer.shift + at));
      hn::StoreU(hn::Add(relu(d, moved), hn::LoadU(d, row.before + state)), d, row.after + state);
    }
  return inverse;
}

void update(const LayerWeights& layer, ConstPanels before, std::span<const std::uint32_t> nodes, const KeptLayer& kept,
            Panels after) {
  HWY_ALIGN float y[kMapRows * kMostStateColumns];
  const std::size_t state_stride = before.rows * kPanelColumns;
  MapInputs in{{}, {}, state_stride, kept.sums.rows * kPanelColumns, before.count()};
  for (std::size_t i = 0; i < nodes.size(); i += kMapRows) {
    for (std::size_t r = 0; r < kMapRows; ++r) {
      const std::size_t row = std::min(i + r, nodes.size() - 1);
      in.first[r] = before.at(0, nodes[row]);
      in.second[r] = kept.sums.at(0, row);
    }
    map_rows(layer.linear, in, y);
    for (std::size_t r = 0; r < std::min(kMapRows, nodes.size() - i); ++r)
      kept.inverse[i + r] = norm_row(layer, y + r * before.cols,
                                     {before.at(0, nodes[i + r]), after.at(0, nodes[i + r]), kept.normal.at(0, i + r),
                                      state_stride, kept.normal.rows * kPanelColumns});
  }
}

/// The gradients of the outputs of a map, for some rows.
struct OutRows {
  const float* data;  // [count, outputs]
  std::size_t count;
  std::size_t outputs;
};

/// matrix[k][c] += rows[i][k] * out[i][c] for kTileInputs inputs and kRegisters registers of outputs: a chain each.
template <std::size_t kRegisters>
HWY_INLINE void add_tile(const float* const* rows, const OutRows& out, std::size_t column, float* matrix) {
  const Full d;
  const std::size_t lanes = hn::Lanes(d);
  Vec<Full> chains[kTileInputs][kRegisters];
  HWY_UNROLL(8)
  for (std::size_t k = 0; k < kTileInputs; ++k) HWY_UNROLL(2)
  for (std::size_t j = 0; j < kRegisters; ++j)
    chains[k][j] = hn::LoadU(d, matrix + k * out.outputs + column + j * lanes);
  for (std::size_t i = 0; i < out.count; ++i) {
    Vec<Full> gradient[kRegisters];
    HWY_UNROLL(2)
    for (std::size_t j = 0; j < kRegisters; ++j)
      gradient[j] = hn::LoadU(d, out.data + i * out.outputs + column + j * lanes);
    HWY_UNROLL(8)
    for (std::size_t k = 0; k < kTileInputs; ++k) {
      const Vec<Full> x = hn::Set(d, rows[i][k]);
      HWY_UNROLL(2)
      for (std::size_t j = 0; j < kRegisters; ++j) chains[k][j] = fused(d, x, gradient[j], chains[k][j]);
    }
  }
  HWY_UNROLL(8)
  for (std::size_t k = 0; k < kTileInputs; ++k) HWY_UNROLL(2)
  for (std::size_t j = 0; j < kRegisters; ++j)
    hn::StoreU(chains[k][j], d, matrix + k * out.outputs + column + j * lanes);
}

/// Adds to the rows of a matrix of gradients that belong to one piece of inputs.
HWY_INLINE void add_piece(const float* const* pieces, const OutRows& out, float* matrix) {
  const std::size_t lanes = hn::Lanes(Full());
  const float* rows[kBackRows];
  for (std::size_t k = 0; k < kPanelColumns; k += kTileInputs) {
    for (std::size_t i = 0; i < out.count; ++i) rows[i] = pieces[i] + k;
    float* const to = matrix + k * out.outputs;
    std::size_t column = 0;
    for (; column + 2 * lanes <= out.outputs; column += 2 * lanes) add_tile<2>(rows, out, column, to);
    for (; column < out.outputs; column += lanes) add_tile<1>(rows, out, column, to);
  }
}

HWY_INLINE void add_bias(const OutRows& out, float* bias) {
  const Full d;
  for (std::size_t c = 0; c < out.outputs; c += hn::Lanes(d)) {
    Vec<Full> sum = hn::LoadU(d, bias + c);
    for (std::size_t i = 0; i < out.count; ++i) sum = hn::Add(sum, hn::LoadU(d, out.data + i * out.outputs + c));
    hn::StoreU(sum, d, bias + c);
  }
}

/// in_gradients [kMapRows, inputs] of the rows from `first`.
HWY_INLINE void map_out_rows(const LinearWeights& transposed, const OutRows& out, std::size_t first, float* to) {
  MapInputs in{{}, {}, kPanelColumns, 0, out.outputs / kPanelColumns};
  for (std::size_t r = 0; r < kMapRows; ++r)
    in.first[r] = in.second[r] = out.data + std::min(first + r, out.count - 1) * out.outputs;
  map_rows(transposed, in, to);
}

HWY_ALIGN constexpr float kNoBias[2 * kMostStateColumns] = {};

HWY_INLINE void add_to(const float* from, float* to) {
  const Part16 d;
  for (std::size_t p = 0; p < kParts; ++p)
    hn::StoreU(hn::Add(hn::LoadU(d, to + p * kPart), hn::LoadU(d, from + p * kPart)), d, to + p * kPart);
}

/// out = the gradient of the map's output; adds to the gradients of scale and shift.
HWY_INLINE void norm_back(const UpdateBack& of, std::size_t i, std::uint32_t node, float* out) {
  const Part16 d;
  const std::size_t cols = of.before.cols;
  const auto width = static_cast<float>(cols);
  Vec<Part16> means[kParts];
  Vec<Part16> alongs[kParts];
  for (std::size_t p = 0; p < kParts; ++p) means[p] = alongs[p] = hn::Zero(d);
  for (std::size_t c = 0; c < cols; c += kFixedLanes)
    for (std::size_t p = 0; p < kParts; ++p) {
      const std::size_t at = c + p * kPart;
      const auto normal = hn::LoadU(d, of.kept.normal.at(c / kPanelColumns, i) + p * kPart);
      const auto scale = hn::LoadU(d, of.scale + at);
      const auto moved = fused(d, normal, scale, hn::LoadU(d, of.shift + at));
      const auto gradient = hn::LoadU(d, of.state_gradients.at(c / kPanelColumns, node) + p * kPart);
      const auto passed = hn::IfThenElseZero(hn::Gt(moved, hn::Zero(d)), gradient);
      float* const scales = of.scale_gradients + at;
      float* const shifts = of.shift_gradients + at;
      hn::StoreU(fused(d, passed, normal, hn::LoadU(d, scales)), d, scales);
      hn::StoreU(hn::Add(hn::LoadU(d, shifts), passed), d, shifts);
      const auto scaled = hn::Mul(passed, scale);
      hn::StoreU(scaled, d, out + at);
      means[p] = hn::Add(means[p], scaled);
      alongs[p] = fused(d, scaled, normal, alongs[p]);
    }
  const auto mean = hn::Set(d, sum_parts(means) / width);
  const auto along = hn::Set(d, -(sum_parts(alongs) / width));
  const auto inverse = hn::Set(d, of.kept.inverse[i]);
  for (std::size_t c = 0; c < cols; c += kPart) {
    const auto normal = hn::LoadU(d, of.kept.normal.at(c / kPanelColumns, i) + c % kPanelColumns);
    const auto moved = fused(d, normal, along, hn::Sub(hn::LoadU(d, out + c), mean));
    hn::StoreU(hn::Mul(moved, inverse), d, out + c);
  }
}

/// Adds the gradients of the matrix of a layer for rows from `first`.
HWY_INLINE void add_layer(const UpdateBack& of, std::span<const std::uint32_t> nodes, std::size_t first,
                          const OutRows& out) {
  const float* pieces[kBackRows];
  for (std::size_t p = 0; p < 2 * of.before.count(); ++p) {
    for (std::size_t i = 0; i < out.count; ++i)
      pieces[i] =
          p < of.before.count() ? of.before.at(p, nodes[first + i]) : of.kept.sums.at(p - of.before.count(), first + i);
    add_piece(pieces, out, of.linear.matrix + p * kPanelColumns * out.outputs);
  }
  add_bias(out, of.linear.bias);
}

void update_back(const UpdateBack& of, std::span<const std::uint32_t> nodes) {
  HWY_ALIGN float out[kBackRows * kMostStateColumns];
  HWY_ALIGN float in[kMapRows * 2 * kMostStateColumns];
  const std::size_t cols = of.before.cols;
  const LinearWeights transposed{of.transposed, kNoBias, cols, 2 * cols};
  for (std::size_t first = 0; first < nodes.size(); first += kBackRows) {
    const OutRows rows{out, std::min(kBackRows, nodes.size() - first), cols};
    for (std::size_t i = 0; i < rows.count; ++i) norm_back(of, first + i, nodes[first + i], out + i * cols);
    add_layer(of, nodes, first, rows);
    for (std::size_t i = 0; i < rows.count; i += kMapRows) {
      map_out_rows(transposed, rows, i, in);
      for (std::size_t r = 0; r < std::min(kMapRows, rows.count - i); ++r) {
        const std::uint32_t node = nodes[first + i + r];
        const float* const gradient = in + r * 2 * cols;
        for (std::size_t p = 0; p < of.before.count(); ++p) {
          add_to(gradient + p * kPanelColumns, of.state_gradients.at(p, node));
          std::copy_n(gradient + cols + p * kPanelColumns, kPanelColumns, of.sum_gradients.at(p, node));
        }
      }
    }
  }
}

HWY_INLINE void add_product(const float* gradient, const Vec<Double>* sum, float* to) {
  const Single d;
  HWY_UNROLL(16)
  for (std::size_t s = 0; s < kSteps; ++s) {
    float* const at = to + s * kDoubleLanes;
    hn::StoreU(fused(d, hn::LoadU(d, gradient + s * kDoubleLanes), hn::DemoteTo(d, sum[s]), hn::LoadU(d, at)), d, at);
  }
}

/// kWide panels at once, so that edges are read once for all of them.
template <std::size_t kWide>
HWY_INLINE void messages_back_panels(const MessagesBack& of, std::span<const std::uint32_t> nodes, std::size_t panel) {
  const std::uint32_t* const sources = of.edges.sources.data();
  const std::uint64_t last = of.edges.sources.empty() ? 0 : of.edges.sources.size() - 1;
  const std::size_t stride = of.states.rows * kPanelColumns;
  const float* const states = of.states.at(panel, 0);
  for (const std::uint32_t v : nodes) {
    std::uint64_t edge = of.edges.nodes[v].first_edge;
    for (std::uint64_t g = of.edges.nodes[v].first_group; g < of.edges.nodes[v + 1].first_group; ++g) {
      Vec<Double> sum[kWide * kSteps];
      for (std::size_t w = 0; w < kWide; ++w) clear(sum + w * kSteps);
      for (const std::uint64_t end = edge + of.edges.groups[g].edges; edge < end; ++edge) {
        const float* const ahead = states + sources[std::min(edge + kBackAhead, last)] * kPanelColumns;
        for (std::size_t w = 0; w < kWide; ++w) hwy::Prefetch(ahead + w * stride);
        const float* const state = states + sources[edge] * kPanelColumns;
        for (std::size_t w = 0; w < kWide; ++w) add_state(state + w * stride, sum + w * kSteps);
      }
      float* const to = of.relation_gradients + of.edges.groups[g].relation * of.states.cols + panel * kPanelColumns;
      for (std::size_t w = 0; w < kWide; ++w)
        add_product(of.sum_gradients.at(panel + w, v), sum + w * kSteps, to + w * kPanelColumns);
    }
  }
}

void messages_back(const MessagesBack& of, std::span<const std::uint32_t> nodes) {
  constexpr std::size_t kWide = 2;
  std::size_t panel = 0;
  for (; panel + kWide <= of.states.count(); panel += kWide) messages_back_panels<kWide>(of, nodes, panel);
  for (; panel < of.states.count(); ++panel) messages_back_panels<1>(of, nodes, panel);
}

/// Turns hidden rows into their gradients; adds to those of the output.
HWY_INLINE void hidden_back(const ScoreBack& of, float gradient, float* hidden) {
  for_columns(of.outputs, [&](auto d, std::size_t c) HWY_ATTR {
    const auto value = hn::LoadU(d, hidden + c);
    const auto passes = hn::Gt(value, hn::Zero(d));
    const auto by = hn::Set(d, gradient);
    float* const outputs = of.output_gradients + c;
    hn::StoreU(fused(d, hn::IfThenElseZero(passes, value), by, hn::LoadU(d, outputs)), d, outputs);
    hn::StoreU(hn::IfThenElseZero(passes, hn::Mul(by, hn::LoadU(d, of.output + c))), d, hidden + c);
  });
  *of.output_bias_gradient += gradient;
}

void score_back(const ScoreBack& of, std::span<const std::uint32_t> nodes) {
  HWY_ALIGN float hidden[kMapRows * 2 * kMostStateColumns];
  HWY_ALIGN float in[kMapRows * kMostStateColumns];
  const float* pieces[kMapRows];
  const std::size_t cols = of.states.cols;
  const LinearWeights forward{of.matrix, of.bias, cols, of.outputs};
  const LinearWeights transposed{of.transposed, kNoBias, of.outputs, cols};
  for (std::size_t first = 0; first < nodes.size(); first += kMapRows) {
    const OutRows rows{hidden, std::min(kMapRows, nodes.size() - first), of.outputs};
    MapInputs states{{}, {}, of.states.rows * kPanelColumns, 0, of.states.count()};
    for (std::size_t r = 0; r < kMapRows; ++r)
      states.first[r] = states.second[r] = of.states.at(0, nodes[std::min(first + r, nodes.size() - 1)]);
    map_rows(forward, states, hidden);
    for (std::size_t i = 0; i < rows.count; ++i)
      hidden_back(of, of.score_gradients[first + i], hidden + i * of.outputs);
    for (std::size_t p = 0; p < of.states.count(); ++p) {
      for (std::size_t i = 0; i < rows.count; ++i) pieces[i] = of.states.at(p, nodes[first + i]);
      add_piece(pieces, rows, of.hidden.matrix + p * kPanelColumns * of.outputs);
    }
    add_bias(rows, of.hidden.bias);
    map_out_rows(transposed, rows, 0, in);
    for (std::size_t i = 0; i < rows.count; ++i)
      for (std::size_t p = 0; p < of.states.count(); ++p)
        add_to(in + i * cols + p * kPanelColumns, of.state_gradients.at(p, nodes[first + i]));
  }
}

HWY_INLINE void take_out_row(const LinearBack& of, std::size_t row, float* to) {
  const float* const gradients = of.out_gradients + row * of.out_stride;
  const float* const kept = of.out == nullptr ? nullptr : of.out + row * of.out_stride;
  for_columns(of.outputs, [&](auto d, std::size_t c) HWY_ATTR {
    const auto gradient = hn::LoadU(d, gradients + c);
    if (kept == nullptr)
      hn::StoreU(gradient, d, to + c);
    else
      hn::StoreU(hn::IfThenElseZero(hn::Gt(hn::LoadU(d, kept + c), hn::Zero(d)), gradient), d, to + c);
  });
}

void linear_back(const LinearBack& of) {
  HWY_ALIGN float out[kBackRows * 2 * kMostStateColumns];
  HWY_ALIGN float in[kMapRows * 2 * kMostStateColumns];
  const float* pieces[kBackRows];
  const LinearWeights transposed{of.transposed, kNoBias, of.outputs, of.inputs};
  for (std::size_t first = 0; first < of.rows; first += kBackRows) {
    const OutRows rows{out, std::min(kBackRows, of.rows - first), of.outputs};
    for (std::size_t i = 0; i < rows.count; ++i) take_out_row(of, first + i, out + i * of.outputs);
    for (std::size_t k = 0; k < of.inputs; k += kPanelColumns) {
      for (std::size_t i = 0; i < rows.count; ++i) pieces[i] = of.in + (first + i) * of.in_stride + k;
      add_piece(pieces, rows, of.gradients.matrix + k * of.outputs);
    }
    add_bias(rows, of.gradients.bias);
    if (of.in_gradients == nullptr) continue;
    for (std::size_t i = 0; i < rows.count; i += kMapRows) {
      map_out_rows(transposed, rows, i, in);
      for (std::size_t r = 0; r < std::min(kMapRows, rows.count - i); ++r)
        std::copy_n(in + r * of.inputs, of.inputs, of.in_gradients + (first + i + r) * of.in_gradient_stride);
    }
  }
}

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::kernels {
namespace cpu {

HWY_EXPORT(update);
HWY_EXPORT(update_back);
HWY_EXPORT(messages_back);
HWY_EXPORT(score_back);
HWY_EXPORT(linear_back);

namespace {

void check_columns(std::size_t columns, std::size_t most) {
  TESSERA_ASSERT(columns > 0 && columns % kPanelColumns == 0 && columns <= most, "columns of states");
}

class CpuPropagationGradients final : public PropagationGradients {
 public:
  void update(const LayerWeights& layer, ConstPanels before, std::span<const std::uint32_t> nodes,
              const KeptLayer& kept, Panels after) const override {
    check_columns(before.cols, kMostStateColumns);
    HWY_DYNAMIC_DISPATCH(update)(layer, before, nodes, kept, after);
  }
  void update_back(const UpdateBack& of, std::span<const std::uint32_t> nodes) const override {
    check_columns(of.before.cols, kMostStateColumns);
    HWY_DYNAMIC_DISPATCH(update_back)(of, nodes);
  }
  void messages_back(const MessagesBack& of, std::span<const std::uint32_t> nodes) const override {
    check_columns(of.states.cols, kMostStateColumns);
    HWY_DYNAMIC_DISPATCH(messages_back)(of, nodes);
  }
  void score_back(const ScoreBack& of, std::span<const std::uint32_t> nodes) const override {
    check_columns(of.states.cols, kMostStateColumns);
    check_columns(of.outputs, 2 * kMostStateColumns);
    HWY_DYNAMIC_DISPATCH(score_back)(of, nodes);
  }
  void linear_back(const LinearBack& of) const override {
    check_columns(of.inputs, 2 * kMostStateColumns);
    check_columns(of.outputs, 2 * kMostStateColumns);
    HWY_DYNAMIC_DISPATCH(linear_back)(of);
  }
};

}  // namespace
}  // namespace cpu

const PropagationGradients& cpu_propagation_gradients() {
  static const cpu::CpuPropagationGradients instance;
  return instance;
}

}  // namespace tessera::kernels
#endif  // HWY_ONCE

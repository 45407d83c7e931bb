// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/detail/row_access.hpp"
#include "kernels/grouped_codes.hpp"
#include "kernels/reference/families.hpp"

#include <algorithm>
#include <cmath>
#include <span>

namespace tessera::kernels::reference {
namespace {

/// The codes of a width.
struct Codes {
  std::int32_t lowest;
  std::int32_t highest;
  [[nodiscard]] std::int32_t nearest(float value, float inverse) const {
    return inverse == 0.0F ? 0 : std::clamp(nearest_integer(value * inverse), lowest, highest);
  }
};
constexpr Codes kCodes8{-127, 127};
constexpr Codes kCodes4{-8, 7};

// Scales of 4 bits that are tried, of both signs: the largest magnitude is that many codes.
constexpr float kFewestCodes = 7.0F;
constexpr float kCodeStep = 0.25F;
constexpr int kTriedScales = 18;

using Values = std::span<const float>;

/// A scale as it is stored; 0 for one that no inverse fits.
std::uint16_t stored_scale(float scale) { return std::abs(scale) < 0x1p-126F ? 0 : to_bfloat16(scale); }

/// The scale of codes of 4 bits with the smallest squared error of those that were tried.
class BestScale {
 public:
  explicit BestScale(Values values) : values_(values) {}
  void try_scale(std::uint16_t scale) {
    const float step = from_bfloat16(scale);
    float error = 0;
    for (const float value : values_) {
      const float off = value - static_cast<float>(kCodes4.nearest(value, inverse_of(step))) * step;
      error += off * off;
    }
    if (is_first_ || error < error_) {
      error_ = error;
      scale_ = scale;
      is_first_ = false;
    }
  }
  /// The least squares of the codes of the best scale.
  void refine() {
    const float inverse = inverse_of(from_bfloat16(scale_));
    float products = 0;
    float squares = 0;
    for (const float value : values_) {
      const auto code = static_cast<float>(kCodes4.nearest(value, inverse));
      products += code * value;
      squares += code * code;
    }
    if (squares > 0) try_scale(stored_scale(products / squares));
  }
  [[nodiscard]] std::uint16_t scale() const { return scale_; }

 private:
  Values values_;
  bool is_first_ = true;
  float error_ = 0;
  std::uint16_t scale_ = 0;
};

std::uint16_t find_scale(Values values, std::size_t bits) {
  std::uint32_t largest_bits = 0;
  for (const float value : values) largest_bits = detail::larger_magnitude(largest_bits, value);
  const float largest = bits_float(largest_bits);
  if (!std::isfinite(largest)) return to_bfloat16(largest);
  if (bits == 8) return stored_scale(largest / 127);
  BestScale best(values);
  for (int i = 0; i < kTriedScales; ++i)
    for (const float sign : {-1.0F, 1.0F})
      best.try_scale(stored_scale(sign * largest / (kFewestCodes + static_cast<float>(i) * kCodeStep)));
  best.refine();
  return best.scale();
}

void encode_group(Values values, std::size_t bits, const Group<std::byte>& group) {
  const std::uint16_t scale = find_scale(values, bits);
  std::memcpy(group.scale, &scale, sizeof scale);
  const float inverse = inverse_of(from_bfloat16(scale));
  for (std::size_t c = 0; c < values.size(); ++c) {
    if (bits == 8) {
      group.codes[c] = static_cast<std::byte>(kCodes8.nearest(values[c], inverse));
    } else {
      const auto code = static_cast<unsigned>(kCodes4.nearest(values[c], inverse) + 8);
      group.codes[c % group.pairs()] |= static_cast<std::byte>(c < group.pairs() ? code : code << 4U);
    }
  }
}

}  // namespace

void encode_groups(const float* in, std::size_t cols, std::size_t bits, std::byte* row) {
  std::fill_n(row, grouped_row_bytes(cols, bits), std::byte{0});
  for (std::size_t g = 0; g < group_count(cols); ++g) {
    const Group group = group_of(row, cols, bits, g);
    encode_group({in + group.first, group.columns}, bits, group);
  }
}

void decode_groups(const std::byte* row, std::size_t cols, std::size_t bits, float* out) {
  for (std::size_t g = 0; g < group_count(cols); ++g) {
    const Group group = group_of(row, cols, bits, g);
    const float scale = group.scale_value();
    for (std::size_t c = 0; c < group.columns; ++c)
      out[group.first + c] = static_cast<float>(bits == 8 ? group.code8(c) : group.code4(c)) * scale;
  }
}

}  // namespace tessera::kernels::reference

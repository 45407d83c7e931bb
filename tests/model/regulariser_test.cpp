// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
// Values and gradients of regularisers.

#include "model/regulariser.hpp"
#include "kernels/formulas.hpp"

#include <gtest/gtest.h>

#include <cmath>
#include <cstddef>
#include <vector>

namespace tessera::model {
namespace {

// |x|^power, in double.
double power_value(double power, bool is_complex, const float* row, std::size_t dim) {
  double sum = 0;
  const std::size_t count = is_complex ? dim / 2 : dim;
  for (std::size_t k = 0; k < count; ++k) {
    const double x = row[k];
    const double y = is_complex ? row[count + k] : 0.0F;
    sum += std::pow(x * x + y * y, power / 2);
  }
  return sum;
}

TEST(Regulariser, GradientsMatchFiniteDifferences) {
  const std::vector<float> row = {0.5F, -0.25F, 1.5F, 0.75F};
  for (const float power : {1.0F, 1.5F, 2.0F, 2.25F, 3.0F, 4.0F})
    for (const bool complex : {false, true})
      for (std::size_t k = 0; k < row.size(); ++k) {
        std::vector<float> gradient(row.size(), 1.0F);
        const kernels::RowPower row_power{power, complex};
        row_power.add_gradient(2.0F, row.data(), gradient.data(), {0, row_power.columns(row.size()), row.size()});
        constexpr float kStep = 1.0F / 1024;
        std::vector<float> up = row;
        std::vector<float> down = row;
        up[k] += kStep;
        down[k] -= kStep;
        const double slope =
            (power_value(power, complex, up.data(), 4) - power_value(power, complex, down.data(), 4)) / (2.0 * kStep);
        EXPECT_NEAR(gradient[k], 1.0 + 2.0 * slope, 1e-4) << "power " << power;
      }
}

TEST(Regulariser, HandValues) {
  const std::vector<float> row = {3, 0, 4, 2};
  EXPECT_DOUBLE_EQ(power_value(3, true, row.data(), 4), 125 + 8);  // |3 + 4i|^3 + |2i|^3
  EXPECT_DOUBLE_EQ(power_value(3, false, row.data(), 4), 27 + 64 + 8);
  EXPECT_DOUBLE_EQ(power_value(2, true, row.data(), 4), 29);
}

TEST(Regulariser, ZerosStayWhereTheyAre) {
  const std::vector<float> row(4, 0.0F);
  for (const float power : {1.0F, 1.5F, 3.0F}) {
    std::vector<float> gradient(4, 0.0F);
    kernels::RowPower{power, true}.add_gradient(1.0F, row.data(), gradient.data(), {0, 2, 4});
    EXPECT_EQ(gradient, row);
  }
}

TEST(Regulariser, NamesAreMembersOfOneFamily) {
  const Regulariser n3 = find_regulariser({.name = "n3", .weight = 0.5});
  EXPECT_EQ(n3.power, 3.0F);
  EXPECT_EQ(n3.relations, 0.5F);
  EXPECT_EQ(n3.products, 0.0F);
  const Regulariser dura = find_regulariser({.name = "dura", .weight = 0.5});
  EXPECT_EQ(dura.power, 2.0F);
  EXPECT_EQ(dura.relations, 0.0F);
  EXPECT_EQ(dura.products, 0.5F);
}

}  // namespace
}  // namespace tessera::model

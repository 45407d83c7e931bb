// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cuda/host_grid.hpp"

#include "kernels/cuda/detail/families.hpp"

namespace tessera::kernels {
namespace {

const cuda::GridFamilies<cuda::HostLauncher>& families(GridOrder order) {
  static const cuda::GridFamilies forward("host_grid", cuda::HostLauncher(GridOrder::kForward));
  static const cuda::GridFamilies backward("host_grid_backward", cuda::HostLauncher(GridOrder::kBackward));
  return order == GridOrder::kForward ? forward : backward;
}

}  // namespace

const Backend& host_grid_backend(GridOrder order) { return families(order).backend; }

const ScreenedRanks& host_grid_screened_ranks(GridOrder order) { return families(order).screened_ranks; }

}  // namespace tessera::kernels

// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#include "kernels/cpu/targets.hpp"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/targets.cpp"
// clang-format off
#include "kernels/cpu/detail/targets.hpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>
// clang-format on

HWY_BEFORE_NAMESPACE();
namespace tessera::kernels::cpu {
namespace HWY_NAMESPACE {

std::int64_t compiled_target() { return HWY_TARGET; }

}  // namespace HWY_NAMESPACE
}  // namespace tessera::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace tessera::kernels::cpu {

HWY_EXPORT(compiled_target);

std::string target_name() { return target_name(HWY_DYNAMIC_DISPATCH(compiled_target)()); }

std::string target_name(std::int64_t target) { return hwy::TargetName(target); }

std::vector<std::int64_t> available_targets() {
  const std::int64_t static_target = HWY_STATIC_TARGET;  // always callable, and last where it is the fallback
  std::vector<std::int64_t> targets;
  for (std::int64_t rest = (hwy::SupportedTargets() | static_target) & (HWY_TARGETS); rest != 0; rest &= rest - 1)
    targets.push_back(rest & -rest);
  return targets;
}

void use_target(std::int64_t target) {
  hwy::SetSupportedTargetsForTest(target);
  hwy::GetChosenTarget().Update(hwy::SupportedTargets());
}

}  // namespace tessera::kernels::cpu
#endif  // HWY_ONCE

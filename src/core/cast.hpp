// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/error.hpp"

#include <concepts>
#include <utility>

namespace tessera {

/// Narrowing that is checked: a value that does not fit is a defect, not a wrap-around.
template <std::integral To, std::integral From>
[[nodiscard]] constexpr To checked_cast(From value) {
  if (!std::in_range<To>(value)) fail(ExitStatus::kInternal, "integer {} does not fit its target type", value);
  return static_cast<To>(value);
}

}  // namespace tessera

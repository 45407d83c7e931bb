// SPDX-FileCopyrightText: The Tessera authors
// SPDX-License-Identifier: Apache-2.0
#pragma once

#include "core/job.hpp"
#include "evaluate/ranking.hpp"
#include "memory/device_use.hpp"
#include "train/loop/trainer.hpp"

#include <optional>

namespace tessera::cli {

inline constexpr evaluate::Filter kValidationFilter = evaluate::Filter::kTrainValid;

/// Prints what came of a training, as text or JSON; warns when the first of several validations was the best. On rank
/// 0.
void report_outcome(const train::Outcome& outcome, const Job& job, const std::optional<memory::DeviceUse>& device_use,
                    bool json);

}  // namespace tessera::cli

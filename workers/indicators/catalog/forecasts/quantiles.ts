/** Quantiles of the normal distribution for a two-sided interval, by its level. */
export const quantiles: Readonly<Record<string, number>> = {
  '0.80': 1.2815515655446004,
  '0.95': 1.959963984540054,
};

/** Below this part of the price, what a model leaves over is rounding: it says nothing of an interval. */
export const rounding = 1e-12;

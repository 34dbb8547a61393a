/** The colours of the images, as Plot Guidance Norm has them. Nothing here touches the page. */

/** Of up to ten images (matplotlib's tab10). */
const TEN = [
  "#1f77b4", "#ff7f0e", "#2ca02c", "#d62728", "#9467bd", "#8c564b", "#e377c2", "#7f7f7f", "#bcbd22", "#17becf",
];
/** Of more: between these (matplotlib's turbo at sixteenths). */
const MANY = [
  "#30123b", "#4040a2", "#466be3", "#4294ff", "#28bceb", "#18ddc2", "#32f298", "#6dfe62", "#a4fc3c",
  "#cdec34", "#eecf3a", "#fdac34", "#fb7e21", "#eb500e", "#d02f05", "#a91601", "#7a0403",
];

const channels = (hex) => [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16));

export function colourOf(sample, batch) {
  if (batch <= TEN.length) return TEN[sample];
  const place = (MANY.length - 1) * (0.05 + (0.9 * sample) / (batch - 1));
  const [low, high] = [Math.floor(place), Math.ceil(place)].map((at) => channels(MANY[at]));
  const mixed = low.map((value, k) => Math.round(value + (place % 1) * (high[k] - value)));
  return `rgb(${mixed.join(" ")})`;
}

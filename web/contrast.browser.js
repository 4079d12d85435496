// Evaluated inside a page by browser.test.ts: the texts whose contrast is below 4.5 to 1.

// biome-ignore lint/correctness/noUnusedVariables: called by the expression it is put before.
function weakTexts() {
  const numbers = colour => (colour.match(/[\d.]+/g) ?? []).map(Number);
  const linear = part => (part <= 0.03928 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = colour => {
    const [red, green, blue] = numbers(colour).map(part => linear(part / 255));
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  };
  const ground = element => {
    if (element === null) return 'rgb(255, 255, 255)';
    const colour = getComputedStyle(element).backgroundColor;
    return numbers(colour)[3] === 0 ? ground(element.parentElement) : colour;
  };
  const contrast = element => {
    const found = [luminance(getComputedStyle(element).color), luminance(ground(element))];
    return (Math.max(...found) + 0.05) / (Math.min(...found) + 0.05);
  };
  const hasText = element =>
    [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim() !== '');
  return [...document.querySelectorAll('body *')]
    .filter(element => hasText(element) && !element.closest('svg, script, noscript, [hidden]'))
    .filter(element => contrast(element) < 4.5)
    .map(element => `${element.textContent.trim().slice(0, 30)} ${contrast(element).toFixed(2)}`);
}

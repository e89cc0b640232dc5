() => {
    // What is wrong with a page for whoever reads it by keyboard, screen reader or weak eyes:
    // names, structure, contrast (WCAG AA), width.
    const problems = [];
    const root = document.documentElement;
    if (root.scrollWidth > root.clientWidth) problems.push('wider than the window');
    const ids = [...document.querySelectorAll('[id]')].map((each) => each.id);
    if (new Set(ids).size < ids.length) problems.push('an id twice');
    for (const table of document.querySelectorAll('table')) {
        if (!table.caption) problems.push('a table without caption');
        for (const head of table.querySelectorAll('th')) if (!head.scope) problems.push('a head cell without scope');
    }
    for (const each of document.querySelectorAll('figure')) {
        if (!each.getAttribute('aria-label') && !each.querySelector('[role=img][aria-label]')) problems.push('a nameless figure');
    }
    for (const each of document.querySelectorAll('[tabindex="0"]')) {
        if (!each.getAttribute('aria-label')) problems.push('a nameless region');
    }
    const levels = [...document.querySelectorAll('h1, h2, h3')].map((each) => +each.tagName[1]);
    levels.reduce((before, level) => { if (level > before + 1) problems.push('a level of headings left out'); return level; }, 0);
    for (const link of document.querySelectorAll('a[href^="#"]')) {
        if (!document.getElementById(link.getAttribute('href').slice(1))) problems.push('a link to nowhere');
    }
    const channel = (value) => { value /= 255; return value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4; };
    const luminance = (color) => { const [r, g, b] = color.match(/[0-9.]+/g).map(Number);
                                   return 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b); };
    const ground = (each) => { for (; each; each = each.parentElement) {
        const color = getComputedStyle(each).backgroundColor; if (color !== 'rgba(0, 0, 0, 0)') return color; }
        return 'rgb(255, 255, 255)'; };
    for (const each of document.querySelectorAll('p, dt, dd, th, td, a, figcaption, caption, summary, h1, h2')) {
        if (!each.textContent.trim() || each.closest('svg')) continue;
        const [light, dark] = [luminance(getComputedStyle(each).color), luminance(ground(each))].sort((a, b) => b - a);
        if ((light + 0.05) / (dark + 0.05) < 4.5) { problems.push('low contrast: ' + each.textContent.slice(0, 20)); break; }
    }
    return [...new Set(problems)];
}

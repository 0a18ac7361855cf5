/** What people and agents say in the runs that the demo makes itself. */

export interface Language {
  code: string
  names: readonly string[]
  /** `{place}`, `{code}` and `{n}` are filled in. */
  asks: readonly string[]
  answers: readonly string[]
  replies: readonly string[]
  thanks: readonly string[]
}

export const LANGUAGES: readonly Language[] = [
  {
    code: 'en',
    names: ['Mia Li', 'Omar Davis', 'Sofia Kim', 'Liam Khan', 'Ava O’Neill'],
    asks: [
      'Hi! I need to move my trip to {place}; the booking is {code}. Can I leave {n} days later?',
      'My parcel {code} was due {n} days ago and never reached {place}. Where is it?',
      'I would like {n} seats to {place}, the cheapest you have, please. A stopover is fine.',
    ],
    answers: [
      'I have found your booking {code}. The change costs {n} euros. Shall I go ahead? Please answer with yes or no.',
      'There are {n} options to {place}:\n1. a direct one in the morning\n2. one with a stop, which is cheaper\nWhich one do you want?',
    ],
    replies: [
      'Yes, please go ahead.',
      'The cheaper one, and use the card that ends in 7447.',
      'No bags, no insurance.',
    ],
    thanks: ['That was all, thank you! 🙏', 'Great, thanks a lot for your help.'],
  },
  {
    code: 'zh',
    names: ['王小明', '李娜', '陈伟', '刘洋'],
    asks: [
      '你好！我想把去{place}的行程改到{n}天以后，订单号是{code}，可以吗？',
      '我的包裹{code}已经晚了{n}天，还没有送到{place}，请帮我查一下在哪里。',
    ],
    answers: [
      '已经查到您的订单{code}。改签需要支付{n}元手续费，请问您确认吗？',
      '去{place}有{n}个选择：直飞，或者中转一次，中转的更便宜。您要哪一个？',
    ],
    replies: ['确认，谢谢。', '要便宜的那个，用尾号7447的卡付款。', '不需要行李，也不需要保险。'],
    thanks: ['太好了，谢谢你！😊', '没有别的问题了，再见。'],
  },
  {
    code: 'ja',
    names: ['佐藤 花子', '鈴木 一郎'],
    asks: ['こんにちは。予約{code}の{place}行きを{n}日後に変更したいのですが、できますか？'],
    answers: ['ご予約{code}を確認しました。変更手数料は{n}ユーロです。よろしいでしょうか？'],
    replies: ['はい、お願いします。', '荷物は一つだけです。🧳'],
    thanks: ['ありがとうございました！', '助かりました。🙇'],
  },
  {
    code: 'es',
    names: ['Lucía Núñez', 'José Peña'],
    asks: ['¡Hola! ¿Puedo cambiar mi viaje a {place} ({code}) para {n} días más tarde?'],
    answers: ['He encontrado la reserva {code}. El cambio cuesta {n} euros. ¿La confirmo?'],
    replies: ['Sí, adelante.', 'La más barata, por favor; pagaré con la misma tarjeta.'],
    thanks: ['¡Muchísimas gracias! 🎉'],
  },
  {
    code: 'de',
    names: ['Jürgen Groß', 'Änne Müller'],
    asks: ['Guten Tag, meine Sendung {code} nach {place} ist seit {n} Tagen überfällig. Können Sie nachsehen?'],
    answers: [
      'Ich habe die Sendung {code} gefunden: Sie kommt in {n} Tagen in {place} an. Möchten Sie eine Nachricht erhalten?',
    ],
    replies: ['Ja, gern – bitte per E‑Mail.', 'Nein, danke.'],
    thanks: ['Vielen Dank für die schnelle Hilfe! 👍'],
  },
  {
    code: 'ar',
    names: ['ليلى حسن', 'يوسف علي'],
    asks: ['مرحبًا، أريد تغيير رحلتي إلى {place} ({code}) لتكون بعد {n} أيام. هل هذا ممكن؟'],
    answers: ['وجدت الحجز {code}. تكلفة التغيير {n} يورو. هل تؤكد ذلك؟'],
    replies: ['نعم، من فضلك.', 'الأرخص، من فضلك.'],
    thanks: ['شكرًا جزيلًا 🌹'],
  },
  {
    code: 'hi',
    names: ['अनन्या शर्मा', 'रोहन मेहता'],
    asks: ['नमस्ते! मेरी {place} की बुकिंग {code} को {n} दिन आगे बढ़ाना है। क्या यह हो सकता है?'],
    answers: ['आपकी बुकिंग {code} मिल गई। बदलने का शुल्क {n} यूरो है। क्या मैं आगे बढ़ूँ?'],
    replies: ['हाँ, कृपया।', 'सबसे सस्ता वाला चाहिए।'],
    thanks: ['बहुत धन्यवाद! 🙏🏽'],
  },
  {
    code: 'ru',
    names: ['Анна Иванова', 'Пётр Соколов'],
    asks: ['Здравствуйте! Посылка {code} в {place} опаздывает на {n} дней. Где она?'],
    answers: ['Нашла посылку {code}: она будет в {place} через {n} дней. Прислать уведомление?'],
    replies: ['Да, пожалуйста.', 'Нет, спасибо.'],
    thanks: ['Большое спасибо! 👩‍💻👍🏻'],
  },
]

export const PLACES = [
  'Seattle',
  'Zürich',
  '上海',
  '東京',
  'São Paulo',
  'Αθήνα',
  'القاهرة',
  'दिल्ली',
  'Reykjavík',
  'Łódź',
]

export const POLICY = [
  'You help customers with trips and parcels. Today is 2024-05-15.',
  'Before you change anything, list what you will do and ask for an explicit yes.',
  'Make one tool call at a time, and do not answer the customer in the same message.',
  'Never give information that neither a tool nor the customer has given you.',
  'Each booking has at most five travellers; all of them fly in the same cabin.',
  'A parcel that is more than ten days late may be refunded once, to the card that paid for it.',
  'Hand over to a person if, and only if, the request is outside of these rules.',
  'Answer in the language of the customer: English, 中文, 日本語, español, Deutsch, العربية, हिन्दी, русский.',
]
